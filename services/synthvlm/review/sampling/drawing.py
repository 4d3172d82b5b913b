"""Drawing a sample, with the probability with which each pair was to be drawn.

A rate that is estimated from a sample is that of the whole only if each pair counts by the inverse
of its probability (Horvitz and Thompson 1952), so no design forgets it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.review.sampling.design import CampaignDesign, SampleDesign

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_NEARNESS: Final = 0.1
"""Share of the pairs that counts as near a score: those further off are drawn more and more rarely,
and the furthest about ten times as rarely as the nearest."""


@dataclass(frozen=True)
class Sample:
    """What was drawn.

    Attributes:
        rows: Rows of the population, in the order in which they are to be shown.
        inclusion: Probability with which each of them was to be drawn, above 0 to 1.
        strata: The stratum of each, from 0.
    """

    rows: Integers
    inclusion: Floats
    strata: Integers


def draw(design: CampaignDesign, population: int, scores: Floats | None) -> Sample:
    """Draws a sample without replacement.

    Args:
        design: The design, the size and the seed. A population that is smaller is taken whole.
        population: Pairs to draw from, at least one.
        scores: Their weighted scores; needed by each design but the simple one.

    Raises:
        ValueError: The design needs scores.
    """
    rng = np.random.default_rng(design.seed)
    size = min(design.sample_size, population)
    if design.sample_design is SampleDesign.SIMPLE:
        rows = rng.permutation(population)[:size]
        return Sample(rows, np.full(size, size / population), np.zeros(size, np.int64))
    if scores is None:
        raise ValueError("the source has no scores, so its sample can only be simple")
    if design.sample_design is SampleDesign.STRATIFIED:
        return _stratified(rng, size, scores, design.strata)
    return _borderline(rng, size, scores, design.borderline_score)


def _stratified(rng: np.random.Generator, size: int, scores: Floats, strata: int) -> Sample:
    """As many from each quantile of the scores; those that are too small are taken whole."""
    total = len(scores)
    strata = min(strata, size)
    stratum = np.empty(total, np.int64)
    stratum[np.argsort(scores, kind="stable")] = np.arange(total) * strata // total
    held = np.bincount(stratum, minlength=strata)
    taken = np.zeros(strata, np.int64)
    # One each in turn, as long as there are some: sizes differ by one at most, unless they must.
    while (left := size - taken.sum()) > 0:
        open_strata = np.flatnonzero(taken < held)
        each = max(1, left // len(open_strata))
        for number in open_strata[: None if left >= len(open_strata) else left]:
            taken[number] += min(each, held[number] - taken[number])
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(stratum == one))[: taken[one]] for one in range(strata)]
    )
    rows = rng.permutation(rows)
    return Sample(rows, (taken / held)[stratum[rows]], stratum[rows])


def _borderline(
    rng: np.random.Generator, size: int, scores: Floats, border: float | None
) -> Sample:
    """Draws with a probability that falls with the distance from a score, in ranks.

    Systematic sampling in random order (Madow 1949) keeps the size and each pair's probability.
    """
    total = len(scores)
    border = float(scores.min()) if border is None else border
    rank = np.empty(total)
    rank[np.argsort(scores, kind="stable")] = np.arange(total)
    distance = np.abs(rank - np.searchsorted(np.sort(scores), border)) / total
    inclusion = _proportional(1 / (_NEARNESS + distance), size)
    order = rng.permutation(total)
    # Rounding must not cost the last pair: the sum of the probabilities is the size.
    ends = np.cumsum(inclusion[order])
    ends[-1] = size
    ticks = rng.random() + np.arange(size)
    rows = order[np.searchsorted(ends, ticks, side="right")]
    rows = rows[np.argsort(distance[rows], kind="stable")]
    return Sample(rows, inclusion[rows], np.zeros(size, np.int64))


def _proportional(sizes: Floats, wanted: int) -> Floats:
    """Probabilities in proportion to ``sizes`` with the sum ``wanted``, none above 1."""
    certain = np.zeros(len(sizes), np.bool_)
    while True:
        rest = wanted - certain.sum()
        share = np.where(certain, 0.0, sizes)
        inclusion = np.where(certain, 1.0, share * rest / max(share.sum(), np.finfo(float).tiny))
        more = inclusion > 1
        if not more.any():
            return inclusion
        certain |= more
