"""Line by line: plain text and JSON Lines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from synthvlm.caption.readers.layout import Layout
from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    Record,
    Unreadable,
    checked,
    records_of,
)
from synthvlm.caption.readers.texts import excerpt


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        number: From 1.
        data: Its bytes without the line end; of a longer one than the limit, its beginning.
        too_long: Whether it is.
    """

    number: int
    data: bytes
    too_long: bool

    def text(self) -> str | Unreadable:
        """The line, decoded; what is wrong with it, when that cannot be done."""
        if self.too_long:
            return Unreadable(self.number, "record_too_long", excerpt(self.data))
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return Unreadable(self.number, "invalid_utf8", excerpt(self.data))


def split_lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Splits a stream of bytes at LF and CR LF, holding no more than one line."""
    number, kept, too_long = 1, b"", False
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield _line(number, kept + piece, too_long)
            number, kept, too_long = number + 1, b"", False
        kept += rest
        if len(kept) > MAX_RECORD_BYTES:
            kept, too_long = kept[:MAX_RECORD_BYTES], True
    if kept:
        yield _line(number, kept, too_long)


def _line(number: int, data: bytes, too_long: bool) -> Line:
    data = data.removesuffix(b"\r")
    return Line(number, data[:MAX_RECORD_BYTES], too_long or len(data) > MAX_RECORD_BYTES)


def text_records(chunks: Iterable[bytes], notices: Notices) -> Iterator[Record]:
    """Plain text: each line that is not blank is a caption."""
    for line in split_lines(chunks):
        text = line.text()
        if isinstance(text, Unreadable):
            yield text
        elif not text.strip():
            yield Unreadable(line.number, "empty_line", "")
        else:
            yield checked(line.number, text, None, text, notices)


def json_line_records(
    chunks: Iterable[bytes], layout: Layout, notices: Notices
) -> Iterator[Record]:
    """JSON Lines: each line is an object with the text, or the text itself as a string."""
    for line in split_lines(chunks):
        text = line.text()
        if isinstance(text, Unreadable):
            yield text
        elif not text.strip():
            yield Unreadable(line.number, "empty_line", "")
        else:
            yield from _parsed(line.number, text, layout, notices)


def _parsed(number: int, text: str, layout: Layout, notices: Notices) -> list[Record]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return [Unreadable(number, "invalid_json", excerpt(text))]
    return records_of(number, value, layout, text, notices)
