"""The best image of each caption, and the best captions of all: pure functions of Arrow tables."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthvlm.storage.schemas import SCORES

SCORED = pa.schema([*SCORES, pa.field("chain", pa.int32(), nullable=False)])
"""Scores with the number of their chain."""

_BETTER = [
    ("weighted_score", "descending"),
    ("clip_score", "descending"),
    ("repeat", "ascending"),
    ("image_id", "ascending"),
    ("chain", "ascending"),
]
"""Which of two images is better: a total order, so that the choice is deterministic."""

_LEAST_WAITING = 1 << 17


@dataclass(frozen=True)
class Strata:
    """A division of the captions, within each of which the same share is selected.

    Either by a column or by clusters.

    Attributes:
        column: ``words``, ``things`` or a statistic of curation; empty: by clusters.
        quantiles: Strata of about equal size; 0: one for each value.
        clusters: Most clusters of captions that are alike; 0: by the column.
    """

    column: str = ""
    quantiles: int = 0
    clusters: int = 0

    def to_json(self) -> dict[str, Any]:
        """The division as recorded in manifests."""
        if self.clusters:
            return {"clusters": self.clusters}
        return {"column": self.column, "quantiles": self.quantiles}


@dataclass(frozen=True)
class SelectionRule:
    """How many captions to select; exactly one of the first two is set.

    Attributes:
        top_k: The best ``top_k`` captions; all, if there are fewer.
        top_fraction: The best fraction of the captions with a usable image, above 0 to 1; rounded
            to the nearest number of captions, halves up, but at least one.
        strata: Within what to select; None: from all captions together.
    """

    top_k: int | None = None
    top_fraction: float | None = None
    strata: Strata | None = None

    def to_json(self) -> dict[str, Any]:
        """The rule as recorded in manifests."""
        within = {} if self.strata is None else {"strata": self.strata.to_json()}
        if self.top_k is not None:
            return {"top_k": self.top_k, **within}
        if self.top_fraction is None:
            raise ValueError("a selection rule has a limit")
        return {"top_fraction": self.top_fraction, **within}

    def count(self, captions: int) -> int:
        """Number of captions to select from ``captions``."""
        if self.top_k is not None:
            return min(self.top_k, captions)
        if self.top_fraction is None:
            raise ValueError("a selection rule has a limit")
        # In decimal: 0.29 of 100 is 29, though the float 0.29 is slightly less.
        exact = Decimal(repr(self.top_fraction)) * captions
        return min(max(1, int(exact.to_integral_value(ROUND_HALF_UP))), captions)


class BestOfRepeats:
    """Collects scores and keeps the best image of each caption.

    Losing rows are dropped periodically, so memory is proportional to captions, not images.

    Attributes:
        scored: Scores seen.
        unusable: Scores among them that are not finite; they never win.
    """

    def __init__(self) -> None:
        self.scored = 0
        self.unusable = 0
        self._best = SCORED.empty_table()
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0

    @property
    def rows_held(self) -> int:
        """Rows in memory."""
        return int(self._best.num_rows) + self._waiting_rows

    def add(self, scores: pa.Table, chain: int) -> None:
        """Adds the scores of one chain: a table of ``SCORES``."""
        finite = pc.and_(pc.is_finite(scores["weighted_score"]), pc.is_finite(scores["clip_score"]))
        usable = scores.filter(finite)
        self.scored += scores.num_rows
        self.unusable += scores.num_rows - usable.num_rows
        numbers = pa.repeat(pa.scalar(chain, pa.int32()), usable.num_rows)
        usable = usable.append_column(SCORED.field("chain"), numbers).select(SCORED.names)
        best = best_of_repeats(usable)
        self._waiting.append(best)
        self._waiting_rows += best.num_rows
        # As many as are already kept: the total cost stays that of a few sorts of all rows.
        if self._waiting_rows >= max(_LEAST_WAITING, self._best.num_rows):
            self._settle()

    def finish(self) -> pa.Table:
        """Each caption's best image, as a row of ``SCORED``; empties the collection."""
        self._settle()
        best, self._best = self._best, SCORED.empty_table()
        return best

    def _settle(self) -> None:
        rows = pa.concat_tables([self._best, *self._waiting])
        self._best, self._waiting, self._waiting_rows = SCORED.empty_table(), [], 0
        self._best = best_of_repeats(rows)


def best_of_repeats(scores: pa.Table) -> pa.Table:
    """The best row of each caption, in order of the captions' ids.

    Args:
        scores: Table of ``SCORED``; all scores must be finite.
    """
    if not scores.num_rows:
        return scores
    scores = scores.combine_chunks()
    order = pc.sort_indices(scores, sort_keys=[("caption_id", "ascending"), *_BETTER])
    captions = scores["caption_id"].combine_chunks().take(order)
    changes = pc.not_equal(captions.slice(1), captions.slice(0, len(captions) - 1))
    is_first = pa.concat_arrays([pa.array([True]), changes])
    return scores.take(order.filter(is_first))


def ranked(
    best: pa.Table, rule: SelectionRule, strata: NDArray[np.int64] | None = None
) -> pa.Table:
    """The selected rows, best first.

    Args:
        best: Table of ``SCORED`` with one row per caption.
        rule: How many to select.
        strata: The stratum of each row, numbered from 0; None: all are one.
    """
    order = pc.sort_indices(best, sort_keys=_BETTER)
    count = rule.count(best.num_rows)
    if strata is None:
        return best.take(order.slice(0, count))
    ordered = strata[order.to_numpy()]
    sizes = np.bincount(ordered)
    return best.take(
        order.filter(pa.array(_places(ordered, sizes) < quotas(sizes, count)[ordered]))
    )


def quotas(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How many to select of each stratum: the same share of each, ``count`` in all.

    By largest remainders; of equal ones the first stratum's. Integers throughout, so that no
    rounding of floats decides.
    """
    total = int(sizes.sum())
    whole = [count * int(size) // total if total else 0 for size in sizes]
    remainders = [count * int(size) % total if total else 0 for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda stratum: (-remainders[stratum], stratum))
    for stratum in by_remainder[: count - sum(whole)]:
        whole[stratum] += 1
    return np.array(whole, np.int64)


def _places(strata: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each row within its stratum, from 0, in the order of the rows."""
    grouped = np.argsort(strata, kind="stable")
    begins = np.cumsum(sizes) - sizes
    places = np.empty(len(strata), np.int64)
    places[grouped] = np.arange(len(strata)) - begins[strata[grouped]]
    return places
