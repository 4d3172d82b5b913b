"""Line by line: plain text and JSON Lines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    Record,
    Unreadable,
    checked,
    excerpt,
    record_of,
)


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


def text_records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Plain text: each line is a caption."""
    for line in split_lines(chunks):
        text = _decoded(line)
        yield text if isinstance(text, Unreadable) else checked(line.number, text, None, text)


def json_line_records(chunks: Iterable[bytes], column: str) -> Iterator[Record]:
    """JSON Lines: each line is an object with the text, or the text itself as a string."""
    for line in split_lines(chunks):
        text = _decoded(line)
        if isinstance(text, Unreadable):
            yield text
        elif not text.strip():
            yield Unreadable(line.number, "empty_line", "")
        else:
            yield parsed_record(line.number, text, column)


def parsed_record(number: int, text: str, column: str) -> Record:
    """The record that a JSON text is."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return Unreadable(number, "invalid_json", excerpt(text))
    return record_of(number, value, column, text)


def _decoded(line: Line) -> str | Unreadable:
    if line.too_long:
        return Unreadable(line.number, "record_too_long", excerpt(line.data))
    try:
        return line.data.decode()
    except UnicodeDecodeError:
        return Unreadable(line.number, "invalid_utf8", excerpt(line.data))
