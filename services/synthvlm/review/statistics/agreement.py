"""How far annotators agree beyond chance: Krippendorff's alpha, Cohen's and Fleiss' kappa.

Ratings are a table of pairs (rows) by annotators (columns), NaN where an annotator did not rate a
pair. A coefficient that the ratings do not determine is None, with the reason, and never NaN.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
"""Level of measurement: whether categories have an order, and equal distances."""

NO_OVERLAP = "no pair has verdicts of two annotators"
ONE_ANNOTATOR = "only one annotator has given verdicts"
ALL_EQUAL = "all verdicts are the same, so agreement by chance cannot be told from any other"


@dataclass(frozen=True)
class Agreement:
    """A coefficient of agreement: 1 is perfect, 0 what chance would give.

    Attributes:
        value: The coefficient; None if the ratings do not determine it.
        pairs: Number of pairs that it rests on: those with enough ratings.
        reason: Why ``value`` is None; empty otherwise.
    """

    value: float | None
    pairs: int
    reason: str = ""


def krippendorff_alpha(ratings: ArrayLike, level: Level) -> Agreement:
    """Krippendorff's alpha (Content Analysis, 4th edition, chapter 12).

    Args:
        ratings: Numbers, pairs by annotators; NaN where a rating is missing.
        level: Level of measurement of the ratings.
    """
    values, counts = _counts(ratings)
    rated = counts.sum(axis=1)
    counts = counts[rated >= 2]
    if not counts.size:
        return _undetermined(ratings)
    each = counts / (counts.sum(axis=1, keepdims=True) - 1)
    coincidences = each.T @ counts - np.diag(each.sum(axis=0))
    totals = counts.sum(axis=0)
    if (totals > 0).sum() == 1:
        return Agreement(None, len(counts), ALL_EQUAL)
    distances = _distances(values, totals, level)
    observed = float((coincidences * distances).sum())
    expected = float((np.outer(totals, totals) * distances).sum()) / (totals.sum() - 1)
    return Agreement(1 - observed / expected, len(counts))


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> Agreement:
    """Cohen's kappa (1960) of two annotators over the pairs that both have rated.

    Args:
        first: The ratings of one annotator, one for each pair; NaN where there is none.
        second: Those of the other.
    """
    both = np.column_stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    both = both[~np.isnan(both).any(axis=1)]
    if not len(both):
        return Agreement(None, 0, NO_OVERLAP)
    values, codes = np.unique(both, return_inverse=True)
    codes = codes.reshape(both.shape)
    shares = np.stack([np.bincount(codes[:, i], minlength=len(values)) for i in (0, 1)]) / len(both)
    if len(values) == 1:
        return Agreement(None, len(both), ALL_EQUAL)
    observed = float((codes[:, 0] == codes[:, 1]).mean())
    return Agreement(_beyond(observed, float(shares[0] @ shares[1])), len(both))


def fleiss_kappa(ratings: ArrayLike) -> Agreement:
    """Fleiss' kappa (1971), for nominal ratings of the same number of annotators a pair.

    Pairs with another number of ratings than most (of those with at least two) are left out; of two
    numbers that are equally frequent, the larger counts. ``pairs`` says how many remain.

    Args:
        ratings: Numbers, pairs by annotators; NaN where a rating is missing.
    """
    _, counts = _counts(ratings)
    rated = counts.sum(axis=1).astype(int)
    frequencies = np.bincount(rated)[2:]
    if not frequencies.any():
        return _undetermined(ratings)
    wanted = len(frequencies) + 1 - int(frequencies[::-1].argmax())
    counts = counts[rated == wanted]
    shares = counts.sum(axis=0) / counts.sum()
    if (shares > 0).sum() == 1:
        return Agreement(None, len(counts), ALL_EQUAL)
    observed = float(((counts**2).sum() - counts.sum()) / (len(counts) * wanted * (wanted - 1)))
    return Agreement(_beyond(observed, float(shares @ shares)), len(counts))


def _beyond(observed: float, chance: float) -> float:
    return (observed - chance) / (1 - chance)


def _counts(ratings: ArrayLike) -> tuple[Floats, Floats]:
    """The values in the ratings, and how often each pair has each: pairs by values."""
    table = np.asarray(ratings, np.float64)
    there = ~np.isnan(table)
    values, codes = np.unique(table[there], return_inverse=True)
    counts = np.zeros((len(table), len(values)))
    np.add.at(counts, (np.nonzero(there)[0], codes), 1)
    return values, counts


def _undetermined(ratings: ArrayLike) -> Agreement:
    annotators = (~np.isnan(np.asarray(ratings, np.float64))).any(axis=0).sum()
    return Agreement(None, 0, ONE_ANNOTATOR if annotators == 1 else NO_OVERLAP)


def _distances(values: Floats, totals: Floats, level: Level) -> Floats:
    """Squared distances of all values from one another."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "interval":
        return np.asarray(np.subtract.outer(values, values) ** 2)
    # Ordinal: the number of ratings between two values, with half of those at both ends.
    middles = totals.cumsum() - totals / 2
    return np.asarray(np.subtract.outer(middles, middles) ** 2)
