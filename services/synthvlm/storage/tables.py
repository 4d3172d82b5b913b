"""Parquet files whose bytes depend only on their rows, not on how they were written."""

import io
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 16_384
"""Rows per row group; the last group of a file may have fewer."""


class TableFile:
    """Writes a Parquet file of any length, holding at most one row group in memory.

    Row groups are cut at fixed rows, so a table written in one piece and the same table written in
    many produce the same bytes.
    """

    def __init__(self, target: Path | io.BytesIO, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(target, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        """Appends rows. ``table`` must have the file's columns."""
        table = table.select(self._schema.names).cast(self._schema)
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        if self._waiting_rows >= ROW_GROUP:
            whole = self._waiting_rows - self._waiting_rows % ROW_GROUP
            waiting = pa.concat_tables(self._waiting)
            self._write_group(waiting.slice(0, whole))
            self._waiting = [waiting.slice(whole)]
            self._waiting_rows -= whole

    def close(self) -> None:
        """Writes the remaining rows and the footer."""
        if self._waiting_rows:
            self._write_group(pa.concat_tables(self._waiting))
        self._waiting, self._waiting_rows = [], 0
        self._writer.close()

    def _write_group(self, table: pa.Table) -> None:
        # One chunk per column: the encoder's page boundaries follow chunk boundaries.
        self._writer.write_table(table.combine_chunks(), row_group_size=ROW_GROUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def table_bytes(table: pa.Table, schema: pa.Schema) -> bytes:
    """``table`` as a Parquet file in memory: the bytes that ``TableFile`` would write."""
    buffer = io.BytesIO()
    with TableFile(buffer, schema) as file:
        file.write(table)
    return buffer.getvalue()
