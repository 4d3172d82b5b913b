"""Writes a stream of captions as committed pool shards of a fixed size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthvlm.storage import Commit, ShardKey, ShardRef, Store
from synthvlm.storage.schemas import POOL, POOL_FILE
from synthvlm.storage.tables import TableFile

_ROWS = 1024


class RowFile:
    """A Parquet file that is written row by row.

    Attributes:
        rows: Rows so far.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._schema = schema
        self._file = TableFile(path, schema)
        self._waiting: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        """Appends a row, given its values in the schema's order."""
        self.rows += 1
        self._waiting.append(row)
        if len(self._waiting) == _ROWS:
            self._write()

    def close(self) -> None:
        """Writes the remaining rows and the footer."""
        if self._waiting:
            self._write()
        self._file.close()

    def _write(self) -> None:
        columns = zip(*self._waiting, strict=True)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._file.write(pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting = []


class _Committed:
    """A shard that an earlier attempt committed: its rows are only counted."""

    def __init__(self, ref: ShardRef) -> None:
        self.rows = 0
        self.ref = ref

    def add(self, row: tuple[Any, ...]) -> None:
        """Counts a row."""
        del row
        self.rows += 1

    def close(self) -> None:
        """Does nothing."""


class PoolWriter:
    """Splits a stream of captions into pool shards and commits each as soon as it is full.

    Args:
        store: Where the shards are committed.
        key: Returns the key of a shard, given its number from 0.
        size: Captions per shard; the last may have fewer.
        folder: Local folder for the current shard.

    Attributes:
        shards: The shards so far.
        resumed: How many of them an earlier attempt had committed.
    """

    def __init__(
        self, store: Store, key: Callable[[int], ShardKey], size: int, folder: Path
    ) -> None:
        self.shards: list[ShardRef] = []
        self.resumed = 0
        self._store = store
        self._key = key
        self._size = size
        self._path = folder / POOL_FILE
        self._current: RowFile | _Committed | None = None

    def add(self, caption: str, text: str, source: str, source_id: str | None) -> bool:
        """Appends a caption.

        Returns:
            Whether it filled a shard, which is then committed.
        """
        if self._current is None:
            found = self._commit().find()
            self._current = _Committed(found) if found else RowFile(self._path, POOL)
        self._current.add((caption, text, source, source_id))
        if self._current.rows < self._size:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Commits the current shard, if it is not empty."""
        current, self._current = self._current, None
        if current is None:
            return
        current.close()
        if isinstance(current, _Committed):
            self.resumed += 1
            self.shards.append(current.ref)
        else:
            self.shards.append(self._commit().finish({POOL_FILE: self._path}, current.rows))

    def _commit(self) -> Commit:
        return Commit(self._store, self._key(len(self.shards)))
