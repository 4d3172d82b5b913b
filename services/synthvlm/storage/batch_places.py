"""Places of a batch that are reserved for records of their own.

Where the last places of a batch compute otherwise than the others, a record must always be computed
at its own kind of place. So each record draws, by what decides it, either one of the reserved
places or none; then it belongs to any of the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from synthvlm.storage.made import identity_of


@dataclass(frozen=True)
class Places:
    """The places of a batch.

    Attributes:
        total: Number of places.
        reserved: How many of them, the last ones, are reserved.
    """

    total: int
    reserved: int = 0

    def drawn(self, *decided_by: Any) -> int | None:
        """The reserved place of a record; None: it belongs to any other place.

        A reserved place is drawn a little less often than would fill it: a batch without such a
        record leaves one place empty, but one such record too many costs a whole batch, which is
        the more the larger it is.

        Args:
            decided_by: JSON values that decide the record.
        """
        if not self.reserved:
            return None
        outcomes = self.total + self.total // 8
        draw = int.from_bytes(identity_of("place", *decided_by)[:8], "big") % outcomes
        return draw if self.total - self.reserved <= draw < self.total else None

    def first(self, drawn: Sequence[int | None]) -> list[int]:
        """Which records the next batch takes, by number: the first ones that fit together.

        Args:
            drawn: What the records drew, in their order.
        """
        free = self.total - self.reserved
        chosen: dict[int, int | None] = {}
        for number, place in enumerate(drawn):
            if place is None and free:
                free -= 1
            elif place is None or place in chosen.values():
                continue
            chosen[number] = place
            if len(chosen) == self.total:
                break
        return list(chosen)

    def batches(self, drawn: Sequence[int | None]) -> Iterator[dict[int, int]]:
        """Batches of all records: their numbers by place.

        Args:
            drawn: What the records drew, in their order.
        """
        left = list(range(len(drawn)))
        while left:
            batch = [left[index] for index in self.first([drawn[number] for number in left])]
            free = iter(range(self.total - self.reserved))
            yield {
                next(free) if (place := drawn[number]) is None else place: number
                for number in batch
            }
            left = [number for number in left if number not in batch]
