"""CSV and TSV with a header line."""

import csv
from collections.abc import Iterable, Iterator

from synthvlm.caption.readers.caption_file import CaptionFile, Format
from synthvlm.caption.readers.lines import split_lines
from synthvlm.caption.readers.records import (
    ID_COLUMN,
    MAX_RECORD_BYTES,
    TEXT_COLUMNS,
    Record,
    Unreadable,
    checked,
    excerpt,
)

# The limit is the interpreter's own; an unclosed quote runs into it instead of through the file.
csv.field_size_limit(MAX_RECORD_BYTES)

_DELIMITERS = {Format.CSV: ",", Format.TSV: "\t"}


class _Feed:
    """Lines as ``csv`` wants them, and what is remembered of those of the record in hand.

    Attributes:
        line: Number of the record's first line.
        begin: The beginning of that line.
        defect: What is wrong with one of its lines; None: nothing.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._lines = split_lines(chunks)
        self._next = 1
        self.line, self.begin = 1, ""
        self.defect: str | None = None

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            text = self._decoded(line.data)
            if line.too_long:
                self.defect = "record_too_long"
            if not self.begin:
                self.begin = text[:MAX_RECORD_BYTES]
            self._next = line.number + 1
            yield text + "\n"

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            self.defect = self.defect or "invalid_utf8"
            return data.decode("utf-8", "surrogateescape")

    def start(self) -> None:
        """Begins a new record."""
        self.line, self.begin, self.defect = self._next, "", None


def delimited_records(file: CaptionFile, column: str) -> Iterator[Record]:
    """The records of a CSV or TSV file, numbered by their first line.

    Raises:
        InvalidInput: The header is missing, unreadable, or without the column.
    """
    feed = _Feed(file.text_chunks())
    rows = csv.reader(feed, delimiter=_DELIMITERS[file.format])
    header = _header(file, feed, rows)
    text_at = _column(file, header, (column,) if column else TEXT_COLUMNS)
    id_at = header.index(ID_COLUMN) if ID_COLUMN in header else None
    while True:
        feed.start()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reason = "record_too_long" if "field limit" in str(error) else "invalid_csv"
            yield Unreadable(feed.line, feed.defect or reason, excerpt(feed.begin))
            continue
        if feed.defect:
            yield Unreadable(feed.line, feed.defect, excerpt(feed.begin))
        elif not row:
            yield Unreadable(feed.line, "empty_line", "")
        elif len(row) != len(header):
            # A delimiter inside an unquoted caption would cut it off without a word.
            yield Unreadable(feed.line, "wrong_number_of_columns", excerpt(feed.begin))
        else:
            identifier = None if id_at is None else row[id_at]
            yield checked(feed.line, row[text_at], identifier, feed.begin)


def _header(file: CaptionFile, feed: _Feed, rows: Iterator[list[str]]) -> list[str]:
    feed.start()
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise file.unusable(f"has no readable header line: {error}") from error
    if feed.defect or not any(header):
        raise file.unusable(f"has no readable header line: {feed.defect or 'it is empty'}")
    return header


def _column(file: CaptionFile, header: list[str], names: tuple[str, ...]) -> int:
    name = next((name for name in names if name in header), None)
    if name is None:
        raise file.unusable(
            f"has no column {' or '.join(names)}; its columns are {excerpt(', '.join(header))}"
        )
    if header.count(name) > 1:
        raise file.unusable(f"has more than one column {name}")
    return header.index(name)
