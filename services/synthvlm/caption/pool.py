"""Writes a stream of captions as committed pool shards of a fixed size."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthvlm.storage import Commit, ShardKey, ShardRef, Store
from synthvlm.storage.schemas import POOL, POOL_FILE
from synthvlm.storage.tables import TableFile

CODE_VERSION = 2
"""Raised whenever this code makes other shards of the same captions."""

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


def pool_key(contents: str) -> ShardKey:
    """Key of the pool shard whose captions have the digest ``contents``."""
    return ShardKey("pool", {"captions": contents}, code_version=CODE_VERSION)


class PoolWriter:
    """Splits a stream of captions into pool shards and commits each as soon as it is full.

    A shard is keyed by the captions in it, so that it is found again whatever file they come from.

    Args:
        store: Where the shards are committed.
        size: Captions per shard; the last may have fewer.
        folder: Local folder for the current shard.

    Attributes:
        shards: The shards so far.
        contents: Digest of the captions of each, of which its key is made.
        resumed: How many of them were there already.
    """

    def __init__(self, store: Store, size: int, folder: Path) -> None:
        self.shards: list[ShardRef] = []
        self.contents: list[str] = []
        self.resumed = 0
        self._store = store
        self._size = size
        self._path = folder / POOL_FILE
        self._rows: RowFile | None = None
        self._digest = hashlib.sha256()

    def add(self, caption: str, text: str, source_id: str | None) -> bool:
        """Appends a caption.

        Returns:
            Whether it filled a shard, which is then committed.
        """
        if self._rows is None:
            self._rows, self._digest = RowFile(self._path, POOL), hashlib.sha256()
        self._rows.add((caption, text, source_id))
        # The caption's id is made of the source's, too; the length says where the text ends.
        self._digest.update(f"{caption} {len(text)} {text}".encode())
        if self._rows.rows < self._size:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Commits the current shard, unless it is empty or there already."""
        rows, self._rows = self._rows, None
        if rows is None:
            return
        rows.close()
        self.contents.append(f"sha256:{self._digest.hexdigest()}")
        commit = Commit(self._store, pool_key(self.contents[-1]))
        if found := commit.find():
            self.resumed += 1
            self.shards.append(found)
        else:
            self.shards.append(commit.finish({POOL_FILE: self._path}, rows.rows))
