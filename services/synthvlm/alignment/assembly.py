"""The files of a ScoreSet shard, assembled from finished batches."""

from collections import Counter
from pathlib import Path
from typing import Self

import pyarrow as pa

from synthvlm.storage.parts import failure_counts, part_rows
from synthvlm.storage.schemas import FAILED, SCORES
from synthvlm.storage.tables import TableFile

PART = pa.schema(
    [
        *[field.with_nullable(True) for field in SCORES],
        pa.field("reason", pa.string(), nullable=True),
    ]
)
"""A finished batch. Scores are null where ``reason`` says why there are none."""


class Assembly:
    """The shard's files, growing part by part in a local folder.

    Holds one row group of each table in memory.

    Attributes:
        files: ``scores.parquet`` and ``failed.parquet`` by name. Whole after the ``with`` block.
    """

    def __init__(self, folder: Path) -> None:
        self.files = {name: folder / name for name in ("scores.parquet", "failed.parquet")}
        self._scores = TableFile(self.files["scores.parquet"], SCORES)
        self._failed = TableFile(self.files["failed.parquet"], FAILED)
        self._failures: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Counts for the manifest."""
        return failure_counts(self._failures)

    @property
    def scored(self) -> int:
        """Images scored so far."""
        return self._scores.rows

    @property
    def file_records(self) -> dict[str, int]:
        """Rows of the tables, for the manifest."""
        return {"scores.parquet": self._scores.rows, "failed.parquet": self._failed.rows}

    def add(self, part: bytes) -> None:
        """Appends a finished batch."""
        rows = part_rows(part)
        failed = [row for row in rows if row["reason"] is not None]
        self._failures.update(row["reason"] for row in failed)
        scored = [row for row in rows if row["reason"] is None]
        self._scores.write(pa.Table.from_pylist(scored, SCORES))
        self._failed.write(pa.Table.from_pylist(failed, FAILED))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scores.close()
        self._failed.close()
