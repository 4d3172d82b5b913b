"""CSV and TSV.

TSV has no quotes. CSV has, and a single quotation mark at the beginning of a field swallows what
follows it. So a record of many lines is believed only where it ends within a few lines and is a
caption; otherwise its first line is set aside and the lines behind it are read again, each as the
beginning of a record. Every line is in a caption or set aside, and none twice.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from synthvlm.caption.readers.caption_file import CaptionFile, Format
from synthvlm.caption.readers.layout import Layout, one_of
from synthvlm.caption.readers.lines import Line, split_lines
from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    CaptionRecord,
    Record,
    Unreadable,
    checked,
)
from synthvlm.caption.readers.texts import excerpt

_MAX_LINES = 100
_MAX_SPAN_BYTES = 16 << 10
"""A record of several lines is at most this long."""

_SWALLOWED_LINES = 5
"""From so many lines on, lines with as many delimiters as records have are no prose."""

_DETECTED = (";", "|", "\t")

csv.field_size_limit(2 * MAX_RECORD_BYTES)


@dataclass(frozen=True)
class _Table:
    """How the records of a file become captions.

    Attributes:
        delimiter: What stands between columns.
        quoted: Whether columns may be quoted.
        spaced: Whether spaces follow the delimiter.
        width: Number of columns.
        text_at: Number of the column with the text.
        id_at: Number of the column with the identifier; None: there is none.
    """

    delimiter: str
    quoted: bool
    spaced: bool = False
    width: int = 0
    text_at: int = 0
    id_at: int | None = None

    def rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The rows of quoted lines; raises ``csv.Error`` where they are not valid."""
        return csv.reader(
            lines, delimiter=self.delimiter, strict=True, skipinitialspace=self.spaced
        )

    def split(self, line: str) -> list[str]:
        """The columns of a line without quotes."""
        columns = line.split(self.delimiter)
        return [column.strip() for column in columns] if self.spaced else columns


class _OpenQuoteError(Exception):
    """A record does not end within its limits."""


class _Lines:
    """The lines of the record in hand, and those of the file behind it.

    Attributes:
        taken: The lines of the record in hand.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._lines = split_lines(chunks)
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self._size = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        """The next line of the record in hand, for ``csv``."""
        line = self._next()
        if line is None:
            raise StopIteration
        text = line.text()
        self._size += len(line.data)
        if self.taken and (
            isinstance(text, Unreadable)
            or len(self.taken) == _MAX_LINES
            or self._size > _MAX_SPAN_BYTES
        ):
            self._again.appendleft(line)
            raise _OpenQuoteError
        self.taken.append(line)
        return f"{text}\n"

    def start(self) -> Line | None:
        """Begins a record: its first line, which is not taken yet; None at the end."""
        self.taken, self._size = [], 0
        line = self._next()
        if line is not None:
            self._again.appendleft(line)
        return line

    def give_back(self) -> None:
        """Leaves the record in hand with its first line; the others are read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def _next(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)


def delimited_records(file: CaptionFile, layout: Layout, notices: Notices) -> Iterator[Record]:
    """The records of a CSV or TSV file, numbered by their first line.

    Raises:
        InvalidInput: The header is missing or unreadable, or does not have the column.
    """
    lines = _Lines(file.text_chunks(notices))
    table = _table(file, layout, lines, notices)
    rows = table.rows(lines)
    while (line := lines.start()) is not None:
        text = line.text()
        if isinstance(text, Unreadable):
            next(lines)
            yield text
        elif not text:
            next(lines)
            yield Unreadable(line.number, "empty_line", "")
        elif not table.quoted or ('"' not in text and "\r" not in text):
            next(lines)
            yield _record(table, line.number, table.split(text), text, notices)
        else:
            yield from _quoted_records(table, lines, rows, line, notices)


def _quoted_records(
    table: _Table, lines: _Lines, rows: Iterator[list[str]], first: Line, notices: Notices
) -> list[Record]:
    """The next record, which has quotes in its first line; only lines that it uses are taken."""
    text = str(first.text())
    try:
        record = _record(table, first.number, next(rows), text, notices)
    except (_OpenQuoteError, csv.Error) as error:
        if len(lines.taken) == 1 and _is_unquoted(error, text):
            return [_record(table, first.number, table.split(text), text, notices)]
        reason = "invalid_csv" if "\r" in text else "open_quote"
    else:
        if len(lines.taken) == 1:
            return [record]
        if isinstance(record, CaptionRecord) and not _is_swallowed(table, lines.taken):
            blank = not record.text.strip()
            return [_empty(line) for line in lines.taken] if blank else [record]
        reason = "open_quote"
    lines.give_back()
    return [Unreadable(first.number, reason, excerpt(text))]


def _empty(line: Line) -> Unreadable:
    return Unreadable(line.number, "empty_caption", excerpt(line.data))


def _is_swallowed(table: _Table, taken: Sequence[Line]) -> bool:
    """Whether every line of a record of many looks like a record of its own."""
    delimiters = table.delimiter.encode()
    return (
        table.width > 1
        and len(taken) >= _SWALLOWED_LINES
        and all(line.data.count(delimiters) == table.width - 1 for line in taken)
    )


def _is_unquoted(error: Exception, line: str) -> bool:
    """Whether a line is meant as it stands, such as `"stop" sign,7`."""
    at_end = str(error).startswith("unexpected end")
    return isinstance(error, csv.Error) and not at_end and "\r" not in line


def _record(table: _Table, number: int, columns: list[str], raw: str, notices: Notices) -> Record:
    if len(columns) != table.width:
        # A delimiter inside an unquoted caption would cut it off without a word.
        return Unreadable(number, "wrong_number_of_columns", excerpt(raw))
    text = columns[table.text_at]
    if not table.quoted and len(text) > 1 and text[0] == text[-1] == '"':
        notices.add(
            "quotes_kept",
            "some captions begin and end with a quotation mark, which TSV keeps as it is; if the "
            "file is quoted as CSV is, read it with --format csv --delimiter and a tab",
            1,
        )
    identifier = None if table.id_at is None else columns[table.id_at]
    return checked(number, text, identifier, raw, notices)


def _table(file: CaptionFile, layout: Layout, lines: _Lines, notices: Notices) -> _Table:
    """What the header line, or the caller in its place, says of the columns."""
    table = _Table(
        layout.delimiter or ("\t" if file.format is Format.TSV else ","),
        quoted=file.format is Format.CSV,
    )
    if layout.columns:
        return _with_columns(file, layout, table, list(layout.columns))
    line = lines.start()
    text = "" if line is None else line.text()
    if isinstance(text, Unreadable):
        raise file.unusable(f"does not have a readable header line: {text.reason}")
    if not text.strip():
        raise file.unusable("does not have a readable header line: it is empty")
    next(lines)
    header = _header(file, table, text)
    if layout.text_name(header) is None and table.quoted and not layout.delimiter:
        table = _detected(file, layout, table, text, notices)
        header = _header(file, table, text)
    names = [name.strip() for name in header]
    spaced = any(name.startswith(" ") for name in header[1:])
    return _with_columns(file, layout, replace(table, spaced=spaced), names)


def _header(file: CaptionFile, table: _Table, line: str) -> list[str]:
    if not table.quoted:
        return line.split(table.delimiter)
    try:
        return next(table.rows(iter([line])))
    except csv.Error as error:
        raise file.unusable(f"does not have a readable header line: {error}") from error


def _detected(
    file: CaptionFile, layout: Layout, table: _Table, line: str, notices: Notices
) -> _Table:
    """The table with the delimiter that alone makes sense of the header line."""
    headers = {
        mark: [name.strip() for name in _header(file, replace(table, delimiter=mark), line)]
        for mark in _DETECTED
    }
    fitting = [mark for mark, names in headers.items() if layout.text_name(names) is not None]
    if not fitting and table.delimiter not in line:
        # Only for the message that there is no such column.
        fitting = [mark for mark, names in headers.items() if len(names) > 1]
    if len(fitting) != 1:
        return table
    shown = {"\t": "a tab"}.get(fitting[0], fitting[0])
    notices.add("delimiter", f"its columns are taken to be separated by {shown}")
    return replace(table, delimiter=fitting[0])


def _with_columns(file: CaptionFile, layout: Layout, table: _Table, names: list[str]) -> _Table:
    text, identifier = layout.text_name(names), layout.id_name(names)
    shown = excerpt(", ".join(names))
    if text is None:
        raise file.unusable(
            f"does not have a column {one_of(layout.text_names)}; its columns are {shown}; "
            f"name the one with the text (--column), or all of them if these are not names but "
            f"the first record (--columns)"
        )
    if names.count(text) > 1:
        raise file.unusable(f"has more than one column {text}")
    if identifier is None and layout.id_column:
        raise file.unusable(f"does not have a column {layout.id_column}; its columns are {shown}")
    return replace(
        table,
        width=len(names),
        text_at=names.index(text),
        id_at=None if identifier is None else names.index(identifier),
    )
