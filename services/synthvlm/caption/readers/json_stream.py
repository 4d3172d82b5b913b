"""JSON files: an array of records of any length, read piece by piece."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace

from synthvlm.caption.readers.caption_file import CaptionFile
from synthvlm.caption.readers.json_window import Window
from synthvlm.caption.readers.layout import Layout
from synthvlm.caption.readers.lines import json_line_records
from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    Record,
    Unreadable,
    records_of,
)
from synthvlm.caption.readers.texts import excerpt

_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
"""Bytes that are not UTF-8, as ``surrogateescape`` carries them."""
_ENDS_OBJECT = re.compile("[,}]")
_ENDS_VALUE = re.compile(",")
_OPENS = re.compile(r"[\[{]")
_DEPTH = 500
"""Values that may be nested in one another, whatever the interpreter's stack holds already."""
_DECODER = json.JSONDecoder()

ANNOTATIONS = "annotations"
"""Where COCO's files have their captions."""


def json_records(file: CaptionFile, layout: Layout, notices: Notices) -> Iterator[Record]:
    """The records of a JSON file, numbered from 1.

    The file is an array of objects or strings, an object with such an array under ``annotations``
    as COCO's are, or JSON Lines under another name. Of an array no more than a record and a piece
    are held in memory, and a malformed record is passed over.

    Raises:
        InvalidInput: The file holds something else.
    """
    window = Window(file.text_chunks(notices))
    first = window.next_character()
    if first == "[":
        window.position += 1
        yield from array_records(window, layout, notices)
    elif first == "{" and _find_annotations(window, layout):
        if layout.id_column is None:
            layout = replace(layout, id_column="image_id")
        yield from array_records(window, layout, notices, ends_file=False)
    elif first == "{":
        yield from json_line_records(file.text_chunks(notices), layout, notices)
    else:
        raise file.unusable("is not a JSON array of captions, nor JSON Lines")


def array_records(
    window: Window, layout: Layout, notices: Notices, *, ends_file: bool = True
) -> Iterator[Record]:
    """The records of an array.

    Args:
        window: The text, behind the opening bracket.
        layout: Where the text and the identifier are.
        notices: Gets what is noticed.
        ends_file: Whether nothing but white space may follow the array.
    """
    number = 0
    while (character := window.next_character()) not in ("", "]"):
        number += 1
        yield from _next_record(window, number, layout, notices)
    if character == "":
        yield Unreadable(number + 1, "array_not_closed", "")
        return
    window.position += 1
    if ends_file and window.next_character():
        yield Unreadable(number + 1, "text_after_array", window.beginning())


def _next_record(window: Window, number: int, layout: Layout, notices: Notices) -> list[Record]:
    """Reads the record at the window's position, and the comma behind it."""
    window.settle()
    decoded = _decode(window)
    if decoded is None:
        size, begin = _pass_over(window)
        reason = "record_too_long" if size > MAX_RECORD_BYTES else "invalid_json"
        return [Unreadable(number, reason, begin)]
    value, size = decoded[0], decoded[1] - window.position
    following = window.peek(size)
    raw = window.text[window.position : window.position + size]
    if following not in (",", "]", "") and not _begins_record(value, following):
        # Not from its end: what was decoded may have swallowed records with an open quote.
        window.waste(window.position + size, window.position + size)
        _pass_over(window)
        return [Unreadable(number, "invalid_json", excerpt(raw))]
    window.position += size
    if window.next_character() == ",":
        window.position += 1
    if len(raw) > MAX_RECORD_BYTES:
        return [Unreadable(number, "record_too_long", excerpt(raw))]
    if not raw.isascii() and _NOT_UTF8.search(raw):
        return [Unreadable(number, "invalid_utf8", excerpt(raw))]
    return records_of(number, value, layout, raw, notices)


def _begins_record(value: object, following: str) -> bool:
    """Whether what follows a record is the next one, and only the comma is missing."""
    return (isinstance(value, dict) and following == "{") or (
        isinstance(value, str) and following == '"'
    )


def _decode(window: Window) -> tuple[object, int] | None:
    """The JSON value at the position and where it ends; None: there is none, or too long a one."""
    while True:
        try:
            value, end = _DECODER.raw_decode(window.text, window.position)
        except (ValueError, RecursionError) as error:
            # It may only be cut off by the window's end.
            if len(window.text) - window.position > MAX_RECORD_BYTES or not window.grow():
                reached = _decoded_to(window, error)
                window.waste(reached if _is_exact(error) else len(window.text), reached)
                return None
            continue
        # A number at the window's end may go on.
        if end < len(window.text) or not window.grow():
            return value, end


def _decoded_to(window: Window, error: ValueError | RecursionError) -> int:
    """How far the text was decoded before an error, at least."""
    if isinstance(error, RecursionError):
        opening = _OPENS.finditer(window.text, window.position)
        deepest = next(itertools.islice(opening, _DEPTH, None), None)
        return deepest.start() if deepest else window.position
    return error.pos if isinstance(error, json.JSONDecodeError) else window.position


def _is_exact(error: Exception) -> bool:
    """Whether an error says how far the text was decoded: not for a string without an end."""
    return isinstance(error, json.JSONDecodeError) and not error.msg.startswith("Unterminated")


def _pass_over(window: Window) -> tuple[int, str]:
    """Moves behind the malformed record at the position, to where the next one seems to begin.

    Quotes and brackets cannot be trusted in it. For an object the next one begins with a brace
    behind a comma or a closing brace, else with what follows the next comma: a good record is never
    passed over with it, at worst one bad record becomes several.

    Returns:
        Characters of the record, and its excerpt.
    """
    start, begin = window.offset, window.beginning()
    window.skip_wasted()
    is_object = window.next_character() in "{[}"
    while window.find(_ENDS_OBJECT if is_object else _ENDS_VALUE):
        size = window.offset - start
        if not is_object or window.next_character() == "{":
            return size, begin
    size = window.offset - start
    window.end_with_closing_bracket()
    return size, begin


def _find_annotations(window: Window, layout: Layout) -> bool:
    """Moves to the first of a COCO file's captions; False: the object at the position has none."""
    window.position += 1
    while window.next_character() == '"':
        decoded = _decode(window)
        if decoded is None:
            return False
        key, window.position = decoded
        if window.next_character() != ":":
            return False
        window.position += 1
        if key == ANNOTATIONS and window.next_character() == "[":
            window.position += 1
            return _has_text(window, layout)
        if not window.skip_value() or window.next_character() != ",":
            return False
        window.position += 1
    return False


def _has_text(window: Window, layout: Layout) -> bool:
    """Whether the record at the position is an object with a text."""
    if window.next_character() != "{":
        return False
    decoded = _decode(window)
    return (
        decoded is not None and isinstance(decoded[0], dict) and bool(layout.text_name(decoded[0]))
    )
