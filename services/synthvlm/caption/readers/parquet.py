"""Parquet files, in bounded memory."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthvlm.caption.readers.caption_file import CaptionFile
from synthvlm.caption.readers.records import (
    ID_COLUMN,
    MAX_RECORD_BYTES,
    TEXT_COLUMNS,
    Record,
    Unreadable,
    checked,
    excerpt,
)

_ROWS = 1024
_BUFFER = 1 << 20

_Test = Callable[[pa.DataType], bool]


def parquet_records(file: CaptionFile, column: str) -> Iterator[Record]:
    """The records of a Parquet file, numbered by row.

    Raises:
        InvalidInput: It is not a Parquet file, is damaged, or has no column of text.
    """
    with _seekable(file) as data:
        try:
            parquet = pq.ParquetFile(data, buffer_size=_BUFFER, pre_buffer=False)
            schema = parquet.schema_arrow
            name = _text_column(file, schema, column)
            has_ids = _has_ids(file, schema)
            columns = [name, ID_COLUMN] if has_ids else [name]
            number = 1
            for batch in parquet.iter_batches(_ROWS, columns=columns):
                texts = _bytes(batch.column(name))
                ids = _ids(batch.column(ID_COLUMN)) if has_ids else [None] * len(texts)
                for text, identifier in zip(texts, ids, strict=True):
                    yield _record(number, text, identifier)
                    number += 1
        except (pa.ArrowException, OSError) as error:
            message = str(error).splitlines()[0]
            raise file.unusable(f"is not a Parquet file, or is a damaged one: {message}") from error


def _record(number: int, text: bytes | None, identifier: int | bytes | None) -> Record:
    if text is None:
        return Unreadable(number, "missing_caption", "")
    if len(text) > MAX_RECORD_BYTES:
        return Unreadable(number, "record_too_long", excerpt(text))
    try:
        decoded = text.decode()
        shown = identifier.decode() if isinstance(identifier, bytes) else identifier
    except UnicodeDecodeError:
        return Unreadable(number, "invalid_utf8", excerpt(text))
    return checked(number, decoded, shown, decoded)


def _text_column(file: CaptionFile, schema: pa.Schema, column: str) -> str:
    names = (column,) if column else TEXT_COLUMNS
    name = next((name for name in names if name in schema.names), None)
    if name is None:
        raise file.unusable(
            f"has no column {' or '.join(names)}; its columns are "
            f"{excerpt(', '.join(schema.names))}"
        )
    _require(file, schema, name, "text", _is_text)
    return name


def _has_ids(file: CaptionFile, schema: pa.Schema) -> bool:
    if ID_COLUMN not in schema.names:
        return False
    _require(
        file, schema, ID_COLUMN, "text or integers", lambda t: _is_text(t) or pa.types.is_integer(t)
    )
    return True


def _require(file: CaptionFile, schema: pa.Schema, name: str, what: str, accepts: _Test) -> None:
    if schema.names.count(name) > 1:
        raise file.unusable(f"has more than one column {name}")
    kind = schema.field(name).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not accepts(value):
        raise file.unusable(f"has a column {name} of {kind}, where {what} must be")


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _ids(column: pa.Array) -> Sequence[bytes | int | None]:
    if pa.types.is_integer(column.type):
        values: list[int | None] = column.to_pylist()
        return values
    return _bytes(column)


def _bytes(column: pa.Array) -> list[bytes | None]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # As bytes: pyarrow does not check that the text of a file is valid UTF-8.
    values: list[bytes | None] = pc.cast(column, pa.large_binary()).to_pylist()
    return values


@contextmanager
def _seekable(file: CaptionFile) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed into a temporary file where they are compressed as a whole."""
    if file.compression is None:
        with file.blob.open() as data:
            yield data
        return
    with tempfile.TemporaryFile(prefix="synthvlm-captions-") as copy:
        for chunk in file.chunks():
            copy.write(chunk)
        copy.seek(0)
        yield copy
