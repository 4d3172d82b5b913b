"""The files that a stage writes batch by batch: a table of results, and a table of failures."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthvlm.storage.parts import failure_counts
from synthvlm.storage.schemas import FAILED, FAILED_FILE
from synthvlm.storage.tables import TableFile

Row = Mapping[str, Any]


class ShardFiles(ABC):
    """A table of results and ``failed.parquet``, growing in a local folder.

    The files are complete once they are closed. One row group of each table is held in memory.

    Args:
        folder: Where the files are written.
        table: File name of the table of results.
        schema: Its columns.

    Attributes:
        paths: The files by name.
    """

    def __init__(self, folder: Path, table: str, schema: pa.Schema) -> None:
        self.paths = {name: folder / name for name in (table, FAILED_FILE)}
        self._table = table
        self._schema = schema
        self._made = TableFile(self.paths[table], schema)
        self._failed = TableFile(self.paths[FAILED_FILE], FAILED)
        self._failures: Counter[str] = Counter()

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> None:
        """Appends a finished batch: the rows of its part."""

    @property
    def records(self) -> int:
        """Number of results so far."""
        return self._made.rows

    @property
    def counts(self) -> dict[str, int]:
        """Counts for the manifest."""
        return failure_counts(self._failures)

    @property
    def file_records(self) -> dict[str, int]:
        """Rows of the tables, for the manifest."""
        return {self._table: self._made.rows, FAILED_FILE: self._failed.rows}

    def close(self) -> None:
        """Finishes the files."""
        self._made.close()
        self._failed.close()

    def append(self, made: Sequence[Row], failed: Sequence[Row]) -> None:
        """Appends to both tables, ignoring columns that are not in their schemas."""
        self._failures.update(row["reason"] for row in failed)
        self._made.write(pa.Table.from_pylist(made, self._schema))
        self._failed.write(pa.Table.from_pylist(failed, FAILED))
