"""Parquet files, in bounded memory.

Columns of text are read as dictionaries: a file of a kilobyte can say that one long text stands in
every row, and would fill any memory if each row got a copy of it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthvlm.caption.readers.caption_file import CaptionFile
from synthvlm.caption.readers.identifiers import MAX_ID_CHARACTERS
from synthvlm.caption.readers.layout import Layout, one_of
from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    Record,
    Unreadable,
    checked,
)
from synthvlm.caption.readers.texts import excerpt

_ROWS = 1024
_BUFFER = 1 << 20
_ROW_BYTES = 16
"""What a row counts for the limit besides its text."""
_FREE_ROWS = 1 << 18
_ROWS_A_BYTE = 16
"""Rows that a file may have, and those for each of its bytes: four hundred bytes can say that there
are millions of rows with nothing in them, and reading those takes seconds."""
_ID_BYTES = 4 * (MAX_ID_CHARACTERS + 1)
_MAX_LIST = 1000
"""Captions a row may have on average."""


def parquet_records(file: CaptionFile, layout: Layout, notices: Notices) -> Iterator[Record]:
    """The records of a Parquet file, numbered by row.

    Raises:
        InvalidInput: It is not a Parquet file, is damaged, expands too much, or does not have a
            column of text.
    """
    with _seekable(file, notices) as data:
        try:
            schema = pq.read_schema(data)
            data.seek(0)
            text = _text_column(file, schema, layout)
            identifier = _id_column(file, schema, layout, notices)
            columns = [text] if identifier is None else [text, identifier]
            parquet = pq.ParquetFile(
                data,
                buffer_size=_BUFFER,
                pre_buffer=False,
                read_dictionary=_text_paths(data, columns),
            )
            _require_moderate(file, parquet, columns)
            room, number = file.expansion_limit(), 1
            for batch in parquet.iter_batches(_ROWS, columns=columns):
                texts = _texts(batch.column(text))
                ids = [None] * len(texts) if identifier is None else _ids(batch.column(identifier))
                for values, one in zip(texts, ids, strict=True):
                    for value in values:
                        room -= _ROW_BYTES + len(value or b"")
                        if room < 0:
                            raise file.too_expansive()
                        yield _record(number, value, one, notices)
                    number += 1
        except (pa.ArrowException, OSError) as error:
            message = (str(error) or type(error).__name__).splitlines()[0]
            raise file.unusable(f"is not a Parquet file, or a damaged one: {message}") from error


def _record(number: int, text: bytes | None, identifier: Any, notices: Notices) -> Record:
    if text is None:
        return Unreadable(number, "missing_caption", "")
    if len(text) > MAX_RECORD_BYTES:
        return Unreadable(number, "record_too_long", excerpt(text))
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return Unreadable(number, "invalid_utf8", excerpt(text))
    if isinstance(identifier, bytes):
        # No more than shows that it is too long: every row may have the same one of a megabyte.
        identifier = identifier[:_ID_BYTES].decode("utf-8", "surrogateescape")
    return checked(number, decoded, identifier, decoded, notices)


def _text_column(file: CaptionFile, schema: pa.Schema, layout: Layout) -> str:
    name = layout.text_name(schema.names)
    if name is None:
        raise file.unusable(
            f"does not have a column {one_of(layout.text_names)}; its columns are "
            f"{excerpt(', '.join(schema.names))}; name the one with the text (--column)"
        )
    _require_one(file, schema, name)
    kind = schema.field(name).type
    if not _is_text(_element(kind)):
        raise file.unusable(
            f"has a column {name} of {kind}, where text or lists of text must be; name another one "
            f"(--column)"
        )
    return name


def _id_column(
    file: CaptionFile, schema: pa.Schema, layout: Layout, notices: Notices
) -> str | None:
    name = layout.id_name(schema.names)
    if name is None:
        if layout.id_column:
            raise file.unusable(
                f"does not have a column {layout.id_column}; its columns are "
                f"{excerpt(', '.join(schema.names))}"
            )
        return None
    _require_one(file, schema, name)
    kind = schema.field(name).type
    if pa.types.is_nested(kind):
        notices.add("ids_left_out", f"the column {name} of {kind} cannot be an identifier")
        return None
    return name


def _require_one(file: CaptionFile, schema: pa.Schema, name: str) -> None:
    if schema.names.count(name) > 1:
        raise file.unusable(f"has more than one column {name}")


def _require_moderate(file: CaptionFile, parquet: pq.ParquetFile, columns: Sequence[str]) -> None:
    """Refuses a file whose columns are large beyond all measure, before anything is decoded."""
    metadata = parquet.metadata
    size = count = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for index in range(rows.num_columns):
            column = rows.column(index)
            if column.path_in_schema.split(".")[0] not in columns:
                continue
            size += column.total_uncompressed_size
            count += max(rows.num_rows, column.num_values)
            if column.num_values > _MAX_LIST * max(rows.num_rows, 1):
                raise file.unusable(f"has more than {_MAX_LIST} captions a row")
    if size > file.expansion_limit():
        raise file.too_expansive()
    if count > len(columns) * (_FREE_ROWS + _ROWS_A_BYTE * file.blob.size()):
        raise file.unusable(
            f"says that it has {count // len(columns)} rows, more than {_ROWS_A_BYTE} for each of "
            f"its bytes, so next to nothing can be in them; write it without the empty rows"
        )


def _text_paths(data: BinaryIO, columns: Sequence[str]) -> list[str]:
    """The paths of the leaves of columns of text or bytes, as they are named inside the file."""
    schema = pq.ParquetFile(data, pre_buffer=False).schema
    data.seek(0)
    leaves = [schema.column(index) for index in range(len(schema))]
    return [
        leaf.path
        for leaf in leaves
        if leaf.path.split(".")[0] in columns
        and leaf.physical_type == "BYTE_ARRAY"
        and leaf.logical_type.type in ("STRING", "NONE")
    ]


def _element(kind: pa.DataType) -> pa.DataType:
    """The type of a column's texts: of the elements of a list, of the values of a dictionary."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _is_binary(kind: pa.DataType) -> bool:
    return kind in (pa.binary(), pa.large_binary(), pa.binary_view())


def _texts(column: pa.Array) -> list[Sequence[bytes | None]]:
    """The texts of each row: one, several of a list, or None where there is none."""
    kind = column.type
    if not pa.types.is_nested(kind):
        return [(value,) for value in _bytes(column)]
    values = _bytes(column.flatten())
    texts: list[Sequence[bytes | None]] = []
    at = 0
    for length in pc.list_value_length(column).to_pylist():
        texts.append(values[at : at + length] if length else (None,))
        at += length or 0
    return texts


def _bytes(column: pa.Array) -> list[bytes | None]:
    """The values of a column of text; equal ones of a dictionary are one object."""
    # As bytes: pyarrow does not check that the text of a file is valid UTF-8.
    if not pa.types.is_dictionary(column.type):
        values: list[bytes | None] = pc.cast(column, pa.large_binary()).to_pylist()
        return values
    used = column.indices.drop_null().unique()
    found = pc.cast(column.dictionary.take(used), pa.large_binary()).to_pylist()
    by_index: dict[int | None, bytes | None] = dict(zip(used.to_pylist(), found, strict=True))
    return [by_index.get(index) for index in column.indices.to_pylist()]


def _ids(column: pa.Array) -> Sequence[Any]:
    kind = column.type
    if _is_text(_element(kind)) or _is_binary(_element(kind)):
        return _bytes(column)
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_temporal(kind):
        # Python's own types have no nanoseconds.
        column = pc.cast(column, pa.string())
    values: list[Any] = column.to_pylist()
    return values


@contextmanager
def _seekable(file: CaptionFile, notices: Notices) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed into a temporary file where they are compressed as a whole."""
    if file.compression is None:
        with file.blob.open() as data:
            yield data
        return
    with tempfile.TemporaryFile(prefix="synthvlm-captions-") as copy:
        for chunk in file.chunks(notices):
            copy.write(chunk)
        copy.seek(0)
        yield copy
