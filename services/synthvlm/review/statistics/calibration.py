"""Thresholds of the weighted score, calibrated on verdicts: precision against threshold.

The precision of a threshold is the truth rate of the pairs with that score or a higher one. For
each threshold it is found from their verdicts alone, with the error rates that all verdicts show:
the pairs above it are not taken for what pairs are on the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from synthvlm.review.statistics.bootstrap import (
    CONFIDENCE,
    REPLICATES,
    Interval,
    SampleWeights,
    interval,
    judged,
    relative_weights,
    replicate,
)
from synthvlm.review.statistics.dawid_skene import JEFFREYS, Booleans, Fit, Floats, Patterns, Votes
from synthvlm.review.statistics.truth_rate import ACCEPTED, MIN_PAIRS, REJECTED, undetermined

THRESHOLDS: Final = 20
"""Thresholds on a curve, at equal shares of the pairs."""

_STEPS: Final = 50
_TOLERANCE: Final = 1e-6
_SURE: Final = 50.0
"""Most that verdicts may say, as a logarithm of odds."""


@dataclass(frozen=True)
class Point:
    """What a threshold gives.

    Attributes:
        threshold: Pairs with this score or a higher one are kept.
        kept: Share of the pairs that are kept, estimated from the sample.
        precision: Share of the kept pairs that are true.
        pairs: Judged pairs that this rests on.
    """

    threshold: float
    kept: float
    precision: Interval
    pairs: int


@dataclass(frozen=True)
class Curve:
    """Precision against threshold.

    Attributes:
        points: By rising threshold; those that fewer than ``MIN_PAIRS`` judged pairs reach are left
            out. Each band holds for its threshold, not for all of them together.
        reason: Why there are no points; empty otherwise.
    """

    points: Sequence[Point]
    reason: str = ""

    def threshold_for(self, precision: float) -> Point | None:
        """The lowest threshold from which on the lower end of the band reaches ``precision``.

        None if there is none.
        """
        chosen = None
        for point in reversed(self.points):
            if point.precision.low < precision:
                break
            chosen = point
        return chosen


def precision_curve(
    votes: Votes,
    sample: SampleWeights,
    scores: Floats,
    *,
    thresholds: Floats | None = None,
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Curve:
    """Estimates the precision of thresholds.

    Args:
        votes: Verdicts of class ``ACCEPTED`` or ``REJECTED``.
        sample: How the pairs were drawn; its weights count.
        scores: Score of each pair; ignored for gold pairs.
        thresholds: Thresholds to look at; None: at equal shares of the judged pairs.
        confidence: How often a band is to contain the truth.
        replicates: Number of bootstrap draws.
        seed: Seed of the draws.
    """
    reason = undetermined(votes, sample)
    if reason:
        return Curve((), reason)
    votes, sample, there = judged(votes, sample)
    estimate = CurveEstimate.of(votes, sample, scores[there], thresholds, confidence)
    (found,) = replicate(votes, sample, [estimate.statistic], replicates, seed)
    return estimate.result(*found)


@dataclass(frozen=True)
class CurveEstimate:
    """Precision against threshold as figures of a bootstrap.

    Attributes:
        weights: What each judged pair stands for.
        own: Which of them are of the sample.
        thresholds: By rising score.
        kept: Which pairs each threshold keeps: thresholds by pairs.
        confidence: How often a band is to contain the truth.
    """

    weights: Floats
    own: Booleans
    thresholds: Floats
    kept: Booleans
    confidence: float

    @classmethod
    def of(
        cls,
        votes: Votes,
        sample: SampleWeights,
        scores: Floats,
        thresholds: Floats | None,
        confidence: float,
    ) -> "CurveEstimate":
        """For judged pairs with these scores; see ``precision_curve``."""
        own = votes.sampled
        if thresholds is None:
            steps = np.arange(THRESHOLDS) / THRESHOLDS
            thresholds = np.quantile(scores[own], steps, method="lower")
        thresholds = np.unique(thresholds)
        kept = own & (scores >= thresholds[:, None])
        enough = kept.sum(axis=1) >= MIN_PAIRS
        weights = relative_weights(votes, sample)
        return cls(weights, own, thresholds[enough], kept[enough], confidence)

    def statistic(self, fitted: Fit, patterns: Patterns, weights: Floats) -> Floats:
        """The precision of each threshold."""
        ratio = _ratio(fitted, patterns.votes)
        share: Floats = fitted.prevalence[ACCEPTED]
        found = []
        for kept in self.kept:
            # The precision of a threshold is near that of the one before.
            share = _precision(ratio, patterns.totals(weights * kept[:, None]), share)
            found.append(share)
        return np.stack(found) if found else np.empty((0, weights.shape[1]))

    def result(self, figures: Floats, draws: Floats) -> Curve:
        """What the campaign's figures and those of its draws say."""
        points = []
        for number, threshold in enumerate(self.thresholds):
            above = self.weights[self.kept[number]]
            band = interval(
                float(figures[number]),
                float(draws[number].std(ddof=1)),
                float(above.sum() ** 2 / (above**2).sum()),
                self.confidence,
            )
            share = float(above.sum() / self.weights[self.own].sum())
            points.append(Point(float(threshold), share, band, len(above)))
        return Curve(points)


def _ratio(fitted: Fit, votes: Votes) -> Floats:
    """How many times as probable the verdicts on each pattern are if it is true: patterns by B."""
    ratio = np.exp(np.clip(fitted.evidence[ACCEPTED] - fitted.evidence[REJECTED], -_SURE, _SURE))
    ratio[votes.truth == ACCEPTED] = np.exp(_SURE)
    ratio[votes.truth == REJECTED] = np.exp(-_SURE)
    return np.asarray(ratio)


def _precision(ratio: Floats, weights: Floats, share: Floats) -> Floats:
    """The share of kept pairs that are true, for each weighting (B), with known error rates.

    It maximises a concave likelihood with Jeffreys' prior, whose derivative falls: Newton's method
    finds its root, held between bounds that each step narrows.

    Args:
        ratio: As ``_ratio`` gives it.
        weights: Weight of the kept pairs of each pattern: patterns by B.
        share: Where to begin.
    """
    used = weights.any(axis=1)
    excess, weights = ratio[used] - 1, weights[used]
    low, high = np.zeros_like(share), np.ones_like(share)
    for _ in range(_STEPS):
        slopes = excess / (1 + share * excess)
        slope = np.einsum("pb,pb->b", weights, slopes)
        slope += JEFFREYS / share - JEFFREYS / (1 - share)
        curvature = np.einsum("pb,pb,pb->b", weights, slopes, slopes)
        curvature += JEFFREYS / share**2 + JEFFREYS / (1 - share) ** 2
        low, high = np.where(slope > 0, share, low), np.where(slope > 0, high, share)
        wanted = share + slope / curvature
        inside = (wanted > low) & (wanted < high)
        before, share = share, np.where(inside, wanted, (low + high) / 2)
        if np.abs(share - before).max() < _TOLERANCE:
            break
    return share
