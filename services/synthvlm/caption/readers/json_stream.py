"""JSON files: an array of records of any length, read piece by piece."""

import codecs
import itertools
import json
import re
from collections.abc import Iterable, Iterator

from synthvlm.caption.readers.caption_file import CaptionFile
from synthvlm.caption.readers.lines import json_line_records
from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    Record,
    Unreadable,
    excerpt,
    record_of,
)

_SPACE = re.compile(r"[ \t\r\n]*")
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
"""Bytes that are not UTF-8, as ``surrogateescape`` carries them."""
_NEXT_OBJECT = re.compile(r"\}\s*,\s*(?=\{)")
_NEXT_VALUE = re.compile(r",")
_PERHAPS_NEXT = re.compile(r"\}\s*,?\s*\Z")
"""The end of a piece that may turn out to be ``_NEXT_OBJECT``."""
_DECODER = json.JSONDecoder()


def json_records(file: CaptionFile, column: str) -> Iterator[Record]:
    """The records of a JSON file, numbered from 1.

    The file is an array of objects or strings, or JSON Lines under another name. Of an array no
    more than a record and a piece are held in memory, and a malformed record is passed over.

    Raises:
        InvalidInput: The file holds something else.
    """
    chunks = file.text_chunks()
    head = b""
    for chunk in chunks:
        head += chunk
        if head.strip() or len(head) > MAX_RECORD_BYTES:
            break
    whole = itertools.chain([head], chunks)
    if head.lstrip().startswith(b"["):
        yield from array_records(whole, column)
    elif head.lstrip().startswith(b"{"):
        yield from json_line_records(whole, column)
    else:
        raise file.unusable("is not a JSON array of captions")


def array_records(chunks: Iterable[bytes], column: str) -> Iterator[Record]:
    """The records of a JSON array that comes in pieces, numbered from 1."""
    window = _Window(chunks)
    window.next_character()
    window.position += 1
    number = 0
    while (character := window.next_character()) not in ("", "]"):
        number += 1
        yield _next_record(window, number, column)
    if character == "":
        yield Unreadable(number + 1, "array_not_closed", "")
        return
    window.position += 1
    if window.next_character():
        yield Unreadable(number + 1, "text_after_array", excerpt(window.rest()))


def _next_record(window: "_Window", number: int, column: str) -> Record:
    """Reads the record at the window's position, and the comma behind it."""
    decoded = _decode(window)
    if decoded is None:
        size, begin = _pass_over(window)
        return Unreadable(
            number, "record_too_long" if size > MAX_RECORD_BYTES else "invalid_json", begin
        )
    value, end = decoded
    raw = window.text[window.position : end]
    window.position = end
    following = window.next_character()
    if following == ",":
        window.position += 1
    elif following not in ("", "]"):
        _pass_over(window)
        return Unreadable(number, "invalid_json", excerpt(raw))
    if len(raw) > MAX_RECORD_BYTES:
        return Unreadable(number, "record_too_long", excerpt(raw))
    if not raw.isascii() and _NOT_UTF8.search(raw):
        return Unreadable(number, "invalid_utf8", excerpt(raw))
    return record_of(number, value, column, raw)


def _decode(window: "_Window") -> tuple[object, int] | None:
    """The JSON value at the position and where it ends; None: there is none, or too long a one."""
    while True:
        try:
            value, end = _DECODER.raw_decode(window.text, window.position)
        except (ValueError, RecursionError):
            # It may only be cut off by the window's end.
            if len(window.text) - window.position > MAX_RECORD_BYTES or not window.grow():
                return None
            continue
        # A number at the window's end may go on.
        if end < len(window.text) or not window.grow():
            return value, end


def _pass_over(window: "_Window") -> tuple[int, str]:
    """Moves behind the malformed record at the position, to where the next one seems to begin.

    Quotes and brackets cannot be trusted in it. For an object that is the next ``}, {``, else the
    next comma: a good record is never passed over with it, at worst one bad record becomes several.

    Returns:
        Characters of the record, and its excerpt.
    """
    size, begin = 0, excerpt(window.rest())
    next_record = _NEXT_OBJECT if window.next_character() in "{[" else _NEXT_VALUE
    while True:
        start = window.position
        if found := next_record.search(window.text, start):
            window.position = found.end()
            return size + found.end() - start, begin
        perhaps = _PERHAPS_NEXT.search(window.text, start)
        stop = perhaps.start() if perhaps else len(window.text)
        window.position = stop
        size += stop - start
        if not window.grow():
            break
    closed = window.text.rstrip().endswith("]")
    window.position = window.text.rindex("]") if closed else len(window.text)
    return size, begin


class _Window:
    """A piece of the text, decoded, with a position in it.

    Bytes that are not UTF-8 are carried as lone surrogates.

    Attributes:
        text: The piece.
        position: Where reading goes on.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._ended = False
        self.text = ""
        self.position = 0

    def grow(self) -> bool:
        """Forgets what has been read and appends the next piece; False: there is none."""
        while not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            added = self._decoder.decode(chunk or b"", final=self._ended)
            if added:
                self.text = self.text[self.position :] + added
                self.position = 0
                return True
        return False

    def next_character(self) -> str:
        """Moves to the next character that is not white space; empty at the end of the text."""
        while True:
            match = _SPACE.match(self.text, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.grow():
                return ""

    def rest(self) -> str:
        """What the piece holds from the position on."""
        return self.text[self.position :]
