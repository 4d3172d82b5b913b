"""Confidence intervals by bootstrap, with whole clusters of questions as the units.

Questions about the same image are right or wrong together, so images are drawn, not questions
(Efron & Tibshirani 1993, chapters 13 and 16; clusters as in Miller 2024, "Adding error bars to
evals"). Every value is a ratio of two sums over questions: a mean score, or the mean log likelihood
of a word, of which the perplexity is a monotone function.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.evaluation.answers import Answer
from synthvlm.evaluation.results import Estimate, Unit

Floats = NDArray[np.float64]

RESAMPLES: Final = 2000
CONFIDENCE: Final = 0.95
SEED: Final = 20_756
_MOST_COUNTS: Final = 4_000_000  # counts drawn at once: 32 MB


def estimate(answers: Sequence[Answer], unit: Unit) -> Estimate:
    """The value of some answers, with its interval; at least one answer."""
    sums = clustered(answers)
    low, high = _interval(np.concatenate([value(part, unit) for part in resampled(sums)]))
    whole = float(value(sums.sum(axis=0)[None], unit)[0])
    return Estimate(value=whole, low=low, high=high, questions=len(answers))


def difference(first: Floats, second: Floats, unit: Unit) -> tuple[float, float, float]:
    """By how much the second set of answers is above the first, and the interval of that.

    Both are resampled by the same draws, so what makes a question hard for both cancels out.

    Args:
        first: Sums of score and weight by cluster, (clusters, 2).
        second: The same, of the same clusters.
        unit: The unit of the value.
    """
    both = np.concatenate([first, second], axis=1)
    drawn = np.concatenate(
        [value(part[:, 2:], unit) - value(part[:, :2], unit) for part in resampled(both)]
    )
    whole = both.sum(axis=0)[None]
    low, high = _interval(drawn)
    return float((value(whole[:, 2:], unit) - value(whole[:, :2], unit))[0]), low, high


def clustered(answers: Sequence[Answer]) -> Floats:
    """Sums of score and weight by cluster, in order of the clusters' names; (clusters, 2)."""
    names, places = np.unique([one.cluster for one in answers], return_inverse=True)
    sums = np.zeros((len(names), 2))
    np.add.at(sums, places, [(one.score, one.weight) for one in answers])
    return sums


def value(sums: Floats, unit: Unit) -> Floats:
    """The value of each row of sums of score and weight; (n, 2) to (n,)."""
    mean = sums[:, 0] / sums[:, 1]
    return np.exp(-mean) if unit == "perplexity" else mean


def resampled(sums: Floats) -> Iterator[Floats]:
    """Sums over resamples of the clusters, some resamples at a time; (some, columns).

    A resample in which nothing has any weight cannot occur: every cluster has some.
    """
    rng = np.random.default_rng(SEED)
    clusters = len(sums)
    at_once = max(1, _MOST_COUNTS // clusters)
    shares = np.full(clusters, 1 / clusters)
    for start in range(0, RESAMPLES, at_once):
        counts = rng.multinomial(clusters, shares, size=min(at_once, RESAMPLES - start))
        yield counts @ sums


def _interval(drawn: Floats) -> tuple[float, float]:
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, (tail, 100 - tail))
    return (float(low), float(high)) if math.isfinite(low) else (math.nan, math.nan)
