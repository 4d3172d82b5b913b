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
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from synthvlm.errors import InvalidInput
from synthvlm.limits import MAX_PROMPT_BYTES
from synthvlm.review.people import NAME
from synthvlm.review.verdicts import Reason
from synthvlm.storage.schemas import VERDICTS
from synthvlm.storage.tables import table_bytes

MAX_BYTES: Final = 256 << 20
"""Largest file that is read."""

MAX_ENTRIES: Final = 1_000_000
"""Most verdicts in a file."""

MAX_COMMENT_BYTES: Final = 2000

AlignmentWord = Literal["yes", "partly", "no"]
PreferenceWord = Literal["source", "compared", "equal"]

_REASONS: Final = tuple(reason.name.lower() for reason in Reason)
_TEXTS: Final = ("image_id", "caption", "annotator", "comment", "request_id")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


class RecordedVerdict(BaseModel):
    """An entry of a campaign: a row of ``VERDICTS``.

    Attributes:
        image_id: The image.
        caption: The caption that it was shown with.
        annotator: Who judged.
        is_model: Whether the annotator is a model.
        stands: Whether this is what the annotator says now.
        retracted: Whether this takes back what the annotator said before.
        alignment: Whether the image shows what the caption says.
        reasons: What is wrong, each once, in the order of ``Reason``.
        quality: How good the image is, 1 to 5.
        preference: Which image is better, in a comparison.
        comment: A comment.
        duration_ms: How long the annotator looked at the pair; 0: unknown.
        record_time: When it was recorded, in seconds since the Unix epoch; 0: unknown.
        request_id: Made by who submitted it.
        expected: The right answer to a gold question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: str = Field(min_length=1, max_length=128)
    caption: str = ""
    annotator: str = Field(pattern=f"^{NAME}$")
    is_model: bool = False
    stands: bool = True
    retracted: bool = False
    alignment: AlignmentWord | None = None
    reasons: tuple[str, ...] = ()
    quality: int | None = Field(default=None, ge=1, le=5)
    preference: PreferenceWord | None = None
    comment: str = ""
    duration_ms: int = Field(default=0, ge=0, le=86_400_000)
    record_time: int = Field(default=0, ge=0, lt=1 << 40)
    request_id: str = Field(default="", max_length=64)
    expected: AlignmentWord | None = None

    @field_validator("reasons")
    @classmethod
    def _are_known(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        for reason in reasons:
            if reason not in _REASONS:
                raise ValueError(f"{reason!r} is not one of {', '.join(_REASONS)}")
        return tuple(reason for reason in _REASONS if reason in reasons)

    @field_validator("caption", "comment")
    @classmethod
    def _is_short(cls, text: str, info: Any) -> str:
        most = MAX_COMMENT_BYTES if info.field_name == "comment" else MAX_PROMPT_BYTES
        if len(text.encode()) > most:
            raise ValueError(f"it has more than {most:,} bytes of UTF-8")
        return text

    @model_validator(mode="after")
    def _says_something(self) -> "RecordedVerdict":
        if self.alignment is None and self.preference is None and not self.retracted:
            raise ValueError("a verdict needs an alignment or a preference")
        return self


def as_parquet(entries: Iterable[RecordedVerdict]) -> bytes:
    """Entries as a Parquet file."""
    rows = [entry.model_dump() for entry in entries]
    return table_bytes(pa.Table.from_pylist(rows, VERDICTS), VERDICTS)


def from_parquet(content: bytes) -> list[RecordedVerdict]:
    """Reads a Parquet file of verdicts.

    Raises:
        InvalidInput: It is not one, or too large; the message says where and why.
    """
    _check_size(content)
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _check_columns(file.schema_arrow.names)
        _check_count(file.metadata.num_rows)
        rows = [row for batch in file.iter_batches() for row in batch.to_pylist()]
    except pa.ArrowException as error:
        raise InvalidInput(f"this is not a Parquet file of verdicts: {error}") from error
    return checked(_without_nulls(rows), "row")


def as_csv(entries: Iterable[RecordedVerdict]) -> bytes:
    """Entries as a CSV file in UTF-8 with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(VERDICTS.names)
    for entry in entries:
        row = entry.model_dump()
        writer.writerow([_cell(name, row[name]) for name in VERDICTS.names])
    return text.getvalue().encode()


def from_csv(content: bytes) -> list[RecordedVerdict]:
    """Reads a CSV file of verdicts, with or without a byte order mark.

    Raises:
        InvalidInput: It is not one, or too large; the message says where and why.
    """
    _check_size(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the file is not UTF-8: {error}; save it as CSV UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[dict[str, Any]] = []
    try:
        header = next(reader, [])
        _check_columns(header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InvalidInput(
                    f"line {reader.line_num} has {len(cells)} columns, the header {len(header)}"
                )
            rows.append(
                {name: _value(name, cell) for name, cell in zip(header, cells, strict=True)}
            )
            _check_count(len(rows))
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num} is not valid CSV: {error}") from error
    return checked(_without_nulls(rows), "record")


def checked(rows: Iterable[Mapping[str, Any]], what: str) -> list[RecordedVerdict]:
    """Validates entries.

    Args:
        rows: Fields of ``RecordedVerdict``.
        what: What a row is called in messages.

    Raises:
        InvalidInput: A row is wrong, or an annotator says two things of a pair at once.
    """
    entries: list[RecordedVerdict] = []
    standing: dict[tuple[str, str, str], int] = {}
    for number, row in enumerate(rows, start=1):
        try:
            entry = RecordedVerdict.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(
                f"{what} {number}{': ' + where if where else ''}: "
                f"{first['msg'].removeprefix('Value error, ')}"
            ) from error
        if entry.stands:
            key = (entry.image_id, entry.caption, entry.annotator)
            if (other := standing.setdefault(key, number)) != number:
                raise InvalidInput(
                    f"{what} {number}: {entry.annotator} has a verdict on {entry.image_id} in "
                    f"{what} {other} already; of several, all but one need stands = false"
                )
        entries.append(entry)
    return entries


def _check_size(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_BYTES >> 20} MiB; split it")


def _check_count(count: int) -> None:
    if count > MAX_ENTRIES:
        raise InvalidInput(f"the file has more than {MAX_ENTRIES:,} verdicts; split it")


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


def _without_nulls(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows without what they do not say: it gets its default."""
    for row in rows:
        yield {name: value for name, value in row.items() if value is not None}


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
