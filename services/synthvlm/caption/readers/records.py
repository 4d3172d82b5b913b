"""What readers yield: records that are captions, and records that cannot be read."""

from dataclasses import dataclass
from typing import Any

MAX_RECORD_BYTES = 1 << 20
"""Largest record that is read; a longer one is passed over as unreadable."""

MAX_ID_CHARACTERS = 256
"""Longest identifier."""

EXCERPT_CHARACTERS = 200
"""Characters of an unreadable record that are shown."""

TEXT_COLUMNS = ("caption", "text")
"""Where the text is when no column is named; the first that a record has."""

ID_COLUMN = "id"
"""Where the optional identifier is."""


@dataclass(frozen=True, slots=True)
class CaptionRecord:
    """A caption as a file holds it; its text may be empty or long.

    Attributes:
        line: Line or record number, from 1.
        text: The text, valid Unicode.
        id: Its identifier; None: it has none.
        integer_id: Whether the identifier is an integer in the file.
    """

    line: int
    text: str
    id: str | None = None
    integer_id: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that cannot be used as a caption.

    Attributes:
        line: Line or record number, from 1.
        reason: Why, in snake_case.
        excerpt: The beginning of what was read.
    """

    line: int
    reason: str
    excerpt: str


Record = CaptionRecord | Unreadable


def record_of(line: int, value: Any, column: str, raw: str | bytes) -> Record:
    """The record that a parsed JSON value is.

    Args:
        line: Line or record number, from 1.
        value: An object with the text, or the text itself.
        column: Key of the text; empty: ``caption``, else ``text``.
        raw: What the value was parsed from.
    """
    if isinstance(value, str):
        return checked(line, value, None, raw)
    if not isinstance(value, dict):
        return Unreadable(line, "not_an_object", excerpt(raw))
    key = column or next((name for name in TEXT_COLUMNS if name in value), "")
    text = value.get(key)
    if text is None:
        return Unreadable(line, "missing_caption", excerpt(raw))
    if not isinstance(text, str):
        return Unreadable(line, "wrong_type", excerpt(raw))
    return checked(line, text, value.get(ID_COLUMN), raw)


def checked(line: int, text: str, identifier: Any, raw: str | bytes) -> Record:
    """The record of a text and an identifier, of which the latter may be anything."""
    if not _is_unicode(text):
        return Unreadable(line, "invalid_unicode", excerpt(raw))
    if identifier is None or identifier == "":
        return CaptionRecord(line, text)
    if isinstance(identifier, bool) or not isinstance(identifier, str | int):
        return Unreadable(line, "invalid_id", excerpt(raw))
    shown = str(identifier)
    if len(shown) > MAX_ID_CHARACTERS or not _is_unicode(shown):
        return Unreadable(line, "invalid_id", excerpt(raw))
    return CaptionRecord(line, text, shown, isinstance(identifier, int))


def excerpt(raw: str | bytes) -> str:
    """The beginning of what was read; invalid Unicode in it becomes U+FFFD."""
    if isinstance(raw, bytes):
        # UTF-8 has at most 4 bytes a character.
        return raw[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    shown = raw[:EXCERPT_CHARACTERS].encode("utf-16", "surrogatepass")
    return shown.decode("utf-16", "replace")


def _is_unicode(text: str) -> bool:
    # Only strings with a lone surrogate cannot be encoded, and no ASCII string has one.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
