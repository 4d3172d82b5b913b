"""Verdicts as CSV and Parquet, for spreadsheets and notebooks, there and back.

Both have the columns of ``VERDICTS`` in ``storage/schemas.py``, and what was written is read again
unchanged. A file made elsewhere needs the columns ``image_id`` and ``annotator`` and one of
``alignment`` and ``preference`` only.

In CSV, reasons are separated by semicolons. A text that a spreadsheet would take for a formula, or
that begins with an apostrophe, gets an apostrophe in front, which is taken off when it is read.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from synthvlm.errors import InvalidInput
from synthvlm.review.exchange.entries import (
    RecordedVerdict,
    VerdictFile,
    examined,
    require_size,
)
from synthvlm.storage.schemas import VERDICTS
from synthvlm.storage.tables import table_bytes

MAX_UNPACKED_BYTES: Final = 256 << 20
"""Most bytes that a Parquet file may hold when it is unpacked."""

_TEXTS: Final = ("image_id", "caption", "annotator", "comment", "request_id")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


def as_parquet(entries: Iterable[RecordedVerdict]) -> bytes:
    """Entries as a Parquet file."""
    rows = [entry.model_dump() for entry in entries]
    return table_bytes(pa.Table.from_pylist(rows, VERDICTS), VERDICTS)


def from_parquet(content: bytes) -> VerdictFile:
    """Reads a Parquet file of verdicts.

    Raises:
        InvalidInput: It is not one, or too large.
    """
    require_size(content)
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _check_columns(file.schema_arrow.names)
        groups = range(file.metadata.num_row_groups)
        if sum(file.metadata.row_group(one).total_byte_size for one in groups) > MAX_UNPACKED_BYTES:
            raise InvalidInput(f"the file holds more than {MAX_UNPACKED_BYTES >> 20} MiB; split it")
        return examined(
            (f"row {number}", _said(row)) for number, row in enumerate(_rows_of(file), start=1)
        )
    except pa.ArrowException as error:
        raise InvalidInput(f"this is not a Parquet file of verdicts: {error}") from error


def as_csv(entries: Iterable[RecordedVerdict]) -> bytes:
    """Entries as a CSV file in UTF-8 with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(VERDICTS.names)
    for entry in entries:
        row = entry.model_dump()
        writer.writerow([_cell(name, row[name]) for name in VERDICTS.names])
    return text.getvalue().encode()


def from_csv(content: bytes) -> VerdictFile:
    """Reads a CSV file of verdicts, with or without a byte order mark.

    Raises:
        InvalidInput: It is not one, or too large.
    """
    require_size(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the file is not UTF-8: {error}; save it as CSV UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_columns(header)
        return examined(_records(reader, header))
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num} is not valid CSV: {error}") from error


def _records(
    reader: Iterable[list[str]], header: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any] | str]]:
    number = 0
    for cells in reader:
        if not cells:
            continue
        number += 1
        if len(cells) != len(header):
            yield f"record {number}", "it has another number of columns than the header"
            continue
        row = {name: _value(name, cell) for name, cell in zip(header, cells, strict=True)}
        yield f"record {number}", _said(row)


def _rows_of(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches():
        yield from batch.to_pylist()


def _check_columns(names: Sequence[str]) -> None:
    for name in names:
        if name not in VERDICTS.names:
            raise InvalidInput(
                f"column {name!r} is not one of a table of verdicts: {', '.join(VERDICTS.names)}"
            )
        if names.count(name) > 1:
            raise InvalidInput(f"column {name!r} is there twice")
    for name in ("image_id", "annotator"):
        if name not in names:
            raise InvalidInput(f"the column {name!r} is missing")


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what it does not say: that gets its default."""
    return {name: value for name, value in row.items() if value is not None}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if name == "reasons":
        return ";".join(value)
    text = str(value)
    return "'" + text if name in _TEXTS and text.startswith(_FORMULA) else text


def _value(name: str, cell: str) -> Any:
    if name in _TEXTS:
        return cell.removeprefix("'")
    if name == "reasons":
        return tuple(word for word in cell.split(";") if word)
    return cell or None
