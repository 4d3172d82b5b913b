"""What readers yield: records that are captions, and records that cannot be read."""

from dataclasses import dataclass
from typing import Any

from synthvlm.caption.readers.identifiers import read_identifier
from synthvlm.caption.readers.layout import Layout
from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.texts import excerpt, is_unicode

MAX_RECORD_BYTES = 1 << 20
"""Largest record that is read; a longer one is passed over as unreadable."""

CONVERSATIONS = "conversations"
"""Where LLaVA's files have the turns of a conversation; the first answer is the caption."""


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
    """A record that is not a caption.

    Attributes:
        line: Line or record number, from 1.
        reason: Why, in snake_case.
        excerpt: The beginning of what was read.
    """

    line: int
    reason: str
    excerpt: str


Record = CaptionRecord | Unreadable


def records_of(
    line: int, value: Any, layout: Layout, raw: str | bytes, notices: Notices
) -> list[Record]:
    """The records that a parsed JSON value is: several when its text is a list.

    Args:
        line: Line or record number, from 1.
        value: An object with the text, or the text itself.
        layout: Where the text and the identifier are.
        raw: What the value was parsed from.
        notices: Gets what is noticed.
    """
    if isinstance(value, str):
        return [checked(line, value, None, raw, notices)]
    if not isinstance(value, dict):
        return [Unreadable(line, "not_an_object", excerpt(raw))]
    key = layout.text_name(value)
    if key is None and not layout.column and CONVERSATIONS in value:
        key = CONVERSATIONS
    text = None if key is None else value[key]
    identifier_key = layout.id_name(value)
    identifier = None if identifier_key is None else value[identifier_key]
    if isinstance(text, list) and any(isinstance(turn, dict) for turn in text):
        text = _first_answer(text)
    texts = text if isinstance(text, list) and text else [text]
    return [checked(line, one, identifier, raw, notices) for one in texts]


def _first_answer(turns: list[Any]) -> Any:
    """What the model says first in a conversation of LLaVA's form."""
    for turn in turns:
        if isinstance(turn, dict) and turn.get("from") in ("gpt", "assistant"):
            return turn.get("value")
    return None


def checked(line: int, text: Any, identifier: Any, raw: str | bytes, notices: Notices) -> Record:
    """The record of a text and an identifier, both of which may be anything."""
    if text is None or text == []:
        return Unreadable(line, "missing_caption", excerpt(raw))
    if not isinstance(text, str):
        return Unreadable(line, "wrong_type", excerpt(raw))
    if not is_unicode(text):
        return Unreadable(line, "invalid_unicode", excerpt(raw))
    if identifier is None:
        return CaptionRecord(line, text)
    shown, is_integer = read_identifier(identifier, line, notices)
    return CaptionRecord(line, text, shown, is_integer)
