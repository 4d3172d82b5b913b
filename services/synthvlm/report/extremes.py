"""Choosing the pairs that the page shows, in little memory, from the many that a run scored."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Row = dict[str, Any]
"""A row of a table of scores; ``chain`` is the number of its shard in the run."""


class Extremes:
    """The captions whose best (or worst) image is best (or worst), ``size`` of them.

    Args:
        size: How many to keep.
        worst: Whether the lowest weighted scores are wanted instead of the highest.
    """

    def __init__(self, size: int, worst: bool = False) -> None:
        self._size = size
        self._order = [
            ("weighted_score", "ascending" if worst else "descending"),
            ("image_id", "ascending"),
        ]
        self._sign = 1 if worst else -1
        self.rows: list[Row] = []

    def add(self, table: pa.Table) -> None:
        """Considers the rows of one shard, all of which have finite scores."""
        candidates = [*self.rows, *_first_captions(table.sort_by(self._order), self._size)]
        candidates.sort(key=lambda row: (self._sign * row["weighted_score"], row["image_id"]))
        # A caption's images are all in one shard, so no caption is here twice.
        self.rows = candidates[: self._size]


class Spreads:
    """The selected captions whose images differ most in their weighted scores, ``size`` of them.

    They show best why it pays to keep the best of several images.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._captions: list[tuple[float, str, list[Row]]] = []

    @property
    def rows(self) -> list[list[Row]]:
        """All images of each caption, best first."""
        return [rows for _, _, rows in self._captions]

    def add(self, table: pa.Table) -> None:
        """Considers the rows of one shard, all of them of selected captions."""
        groups = table.group_by("caption_id").aggregate(
            [("weighted_score", "min"), ("weighted_score", "max")]
        )
        spread = pc.subtract(groups["weighted_score_max"], groups["weighted_score_min"])
        order = [("spread", "descending"), ("caption_id", "ascending")]
        widest = groups.append_column("spread", spread).sort_by(order).slice(0, self._size)
        for group in widest.to_pylist():
            if group["spread"] > 0:
                images = table.filter(pc.equal(table["caption_id"], group["caption_id"]))
                best_first = [("weighted_score", "descending"), ("image_id", "ascending")]
                rows = images.sort_by(best_first).to_pylist()
                self._captions.append((-group["spread"], group["caption_id"], rows))
        self._captions.sort(key=lambda one: one[:2])
        del self._captions[self._size :]


def _first_captions(table: pa.Table, size: int) -> Iterator[Row]:
    """The first row of each of the first ``size`` captions of a sorted table."""
    seen: set[str] = set()
    for batch in table.to_batches(max_chunksize=4 * size):
        for row in batch.to_pylist():
            if len(seen) == size:
                return
            if row["caption_id"] not in seen:
                seen.add(row["caption_id"])
                yield row
