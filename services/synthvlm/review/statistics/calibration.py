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
from synthvlm.review.statistics.dawid_skene import JEFFREYS, Booleans, Fit, Floats, Votes
from synthvlm.review.statistics.truth_rate import ACCEPTED, MIN_PAIRS, REJECTED, undetermined

THRESHOLDS: Final = 20
"""Thresholds on a curve, at equal shares of the pairs."""

_STEPS: Final = 50
_TOLERANCE: Final = 1e-5


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
    scores, own = scores[there], votes.sampled
    if thresholds is None:
        steps = np.arange(THRESHOLDS) / THRESHOLDS
        thresholds = np.quantile(scores[own], steps, method="lower")
    thresholds = np.unique(thresholds)
    kept = own & (scores >= thresholds[:, None])
    thresholds = thresholds[enough := kept.sum(axis=1) >= MIN_PAIRS]
    kept = kept[enough]

    def statistic(fitted: Fit, weights: Floats) -> Floats:
        return np.stack([_precision(votes, fitted, weights, each) for each in kept])

    figures, draws = replicate(votes, sample, statistic, replicates, seed)
    weights = relative_weights(votes, sample)
    points = []
    for number, threshold in enumerate(thresholds):
        above = weights[kept[number]]
        band = interval(
            float(figures[number]),
            float(draws[number].std(ddof=1)),
            float(above.sum() ** 2 / (above**2).sum()),
            confidence,
        )
        share = float(above.sum() / weights[own].sum())
        points.append(Point(float(threshold), share, band, int(kept[number].sum())))
    return Curve(points)


def _precision(votes: Votes, fitted: Fit, weights: Floats, kept: Booleans) -> Floats:
    """The share of the kept pairs that are true, for each weighting: EM with known error rates."""
    rows = np.flatnonzero(kept)
    weights, truth = weights[rows], votes.truth[rows]
    evidence = fitted.evidence[:, rows]
    ratio = np.exp(np.clip(evidence[ACCEPTED] - evidence[REJECTED], -50, 50))
    ratio[truth == ACCEPTED] = np.exp(50)
    ratio[truth == REJECTED] = np.exp(-50)
    total = weights.sum(axis=0) + 2 * JEFFREYS
    share: Floats = fitted.prevalence[ACCEPTED]
    for _ in range(_STEPS):
        true = share * ratio / (share * ratio + 1 - share)
        before, share = share, ((weights * true).sum(axis=0) + JEFFREYS) / total
        if np.abs(share - before).max() < _TOLERANCE:
            break
    return share
