"""Bootstrap over pairs: what a figure would be in campaigns like this one.

Pairs are drawn again with their verdicts, gold pairs among themselves and the sample's pairs within
their stratum, and Dawid and Skene's model is fitted to each draw. The spread of a figure over the
draws so counts everything that is not known: the sample, the annotators' errors and how well these
are known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.review.statistics.dawid_skene import (
    Fit,
    Floats,
    Integers,
    Patterns,
    Votes,
    columns_at_once,
    fit,
)

REPLICATES: Final = 200
CONFIDENCE: Final = 0.95

Statistic = Callable[[Fit, Patterns, Floats], Floats]
"""Figures (m by B) from a fit of patterns, these, and the weights of the pairs (pairs by B)."""


@dataclass(frozen=True)
class SampleWeights:
    """What the pairs of a campaign stand for.

    Attributes:
        weights: For each pair, how many pairs of the version it stands for, up to a common factor;
            ignored for gold pairs.
        strata: For each pair, the number of the stratum that it was drawn from, from 0.
    """

    weights: Floats
    strata: Integers

    @classmethod
    def simple(cls, pairs: int) -> "SampleWeights":
        """A simple random sample."""
        return cls(np.ones(pairs), np.zeros(pairs, np.int64))


@dataclass(frozen=True)
class Interval:
    """An estimate of a share with a confidence interval.

    Attributes:
        estimate: The estimate, 0 to 1.
        low: Lower end of the interval.
        high: Upper end of the interval.
        standard_error: Standard error of the estimate.
    """

    estimate: float
    low: float
    high: float
    standard_error: float

    @property
    def width(self) -> float:
        """Distance of both ends."""
        return self.high - self.low


def replicate(
    votes: Votes,
    sample: SampleWeights,
    statistics: Sequence[Statistic],
    replicates: int,
    seed: int,
) -> list[tuple[Floats, Floats]]:
    """Computes figures for the campaign and for bootstrap draws of it.

    The fits of the draws begin where that of the campaign ended, which halves their steps.

    Returns:
        For each statistic, the campaign's figures (m) and those of the draws (m by ``replicates``).
    """
    rng = np.random.default_rng(seed)
    weights = relative_weights(votes, sample)[:, None]
    groups = np.where(votes.sampled, sample.strata, -1 - votes.truth)
    patterns = Patterns.of(votes)
    whole = fit(patterns.votes, patterns.totals(weights))
    start = whole.posterior[:, :, 0]
    figures = [[statistic(whole, patterns, weights)] for statistic in statistics]
    at_once = columns_at_once(patterns.votes)
    for first in range(0, replicates, at_once):
        drawn = weights * _draws(groups, min(at_once, replicates - first), rng)
        fitted = fit(patterns.votes, patterns.totals(drawn), start)
        for found, statistic in zip(figures, statistics, strict=True):
            found.append(statistic(fitted, patterns, drawn))
    together = [np.concatenate(found, axis=1) for found in figures]
    return [(found[:, 0], found[:, 1:]) for found in together]


def judged(votes: Votes, sample: SampleWeights) -> tuple[Votes, SampleWeights, NDArray[np.bool_]]:
    """The pairs with verdicts; those of the sample stand for the whole of their stratum.

    Returns:
        Votes and weights of these pairs, and which of all pairs they are.
    """
    there = np.bincount(votes.pair, minlength=len(votes.truth)) > 0
    stratum = np.where(votes.sampled, sample.strata, sample.strata.max(initial=0) + 1)
    drawn = np.bincount(stratum, sample.weights)
    found = np.bincount(stratum, sample.weights * there, minlength=len(drawn))
    factor = np.divide(drawn, found, out=np.ones_like(drawn), where=found > 0)[stratum]
    kept = replace(
        votes,
        pair=np.cumsum(there)[votes.pair] - 1,
        truth=votes.truth[there],
        sampled=votes.sampled[there],
    )
    weights = SampleWeights((sample.weights * factor)[there], sample.strata[there])
    return kept, weights, there


def relative_weights(votes: Votes, sample: SampleWeights) -> Floats:
    """Weights of all pairs: 1 for gold pairs, and 1 on average for those of the sample."""
    weights = np.where(votes.sampled, sample.weights, 1.0)
    weights[votes.sampled] /= weights[votes.sampled].mean()
    return weights


def effective_pairs(votes: Votes, sample: SampleWeights) -> float:
    """Kish's effective size of the sample: fewer than its pairs if weights differ."""
    weights = sample.weights[votes.sampled]
    return float(weights.sum() ** 2 / (weights**2).sum())


def interval(
    estimate: float, standard_error: float, pairs: float, confidence: float = CONFIDENCE
) -> Interval:
    """The interval around an estimate of a share, on the logit scale.

    It is at least as wide as Wilson's interval at the estimate: also annotators without errors
    would leave the error of the sample.

    Args:
        estimate: The estimate, between 0 and 1, without them.
        standard_error: Its standard error.
        pairs: Effective number of sampled pairs.
        confidence: How often such intervals are to contain the truth.
    """
    z = quantile(confidence)
    centre = np.log(estimate / (1 - estimate))
    reach = z * standard_error / (estimate * (1 - estimate))
    low, high = (float(1 / (1 + np.exp(-(centre + side)))) for side in (-reach, reach))
    least, most = wilson(estimate, pairs, confidence)
    return Interval(estimate, min(low, least), max(high, most), standard_error)


def wilson(share: float, count: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval for a share that was seen among ``count`` without error."""
    z2 = quantile(confidence) ** 2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = np.sqrt(z2 * share * (1 - share) / count + (z2 / (2 * count)) ** 2) / (1 + z2 / count)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def quantile(confidence: float) -> float:
    """How many standard errors an interval reaches to each side."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _draws(groups: Integers, columns: int, rng: np.random.Generator) -> Floats:
    """How often each pair is drawn, within its group: pairs by columns."""
    drawn = np.zeros((len(groups), columns))
    for group in np.unique(groups):
        members: NDArray[np.int64] = np.flatnonzero(groups == group)
        size = len(members)
        drawn[members] = rng.multinomial(size, np.full(size, 1 / size), size=columns).T
    return drawn
