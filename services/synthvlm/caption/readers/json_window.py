"""A window that moves over a long JSON text."""

import codecs
import re
from collections.abc import Iterable

from synthvlm.caption.readers.texts import EXCERPT_CHARACTERS, excerpt

_SPACE = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'["\[\]{},]')
_STRING_END = re.compile(r'["\\]')

_MAX_SPACE = 1 << 20
"""White space that is looked over, in characters."""

_MAX_WASTED = 16
"""How many times its length a text may be decoded in vain."""

_MAX_PASSED = 1 << 14
"""Characters before the position that may be kept."""


class Window:
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
        self._forgotten = 0
        self._last = ""
        self._wasted = self._wasted_to = 0
        self.text = ""
        self.position = 0

    @property
    def offset(self) -> int:
        """Characters of the whole text before the position."""
        return self._forgotten + self.position

    def grow(self) -> bool:
        """Forgets what has been read and appends the next piece; False: there is none."""
        while not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            added = self._decoder.decode(chunk or b"", final=self._ended)
            if added:
                self._last = added.rstrip()[-1:] or self._last
                self._forgotten += self.position
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

    def peek(self, characters: int) -> str:
        """The first character that is not white space behind so many from the position on.

        The position stays. Empty at the end of the text, and where more white space follows than a
        window should hold.
        """
        while True:
            match = _SPACE.match(self.text, self.position + characters)
            at = match.end() if match else len(self.text)
            if at < len(self.text):
                return self.text[at]
            if at - self.position - characters > _MAX_SPACE or not self.grow():
                return ""

    def beginning(self) -> str:
        """The beginning of what follows the position."""
        return excerpt(self.text[self.position : self.position + EXCERPT_CHARACTERS])

    def waste(self, most: int, least: int) -> None:
        """Notes that the text from the position was decoded in vain.

        Args:
            most: Where decoding ended at the latest.
            least: Where it ended at the earliest.
        """
        self._wasted += most - self.position
        self._wasted_to = least

    def skip_wasted(self) -> None:
        """Moves behind what was decoded in vain, when that has become too much by far.

        Records that are nested hundreds deep in a malformed one would all be decoded to its end.
        """
        if self._wasted > _MAX_WASTED * (_MAX_SPACE + self.offset):
            self.position = max(self.position, min(self._wasted_to, len(self.text)))

    def settle(self) -> None:
        """Forgets what lies far before the position: errors of ``json`` count the lines before."""
        if self.position > _MAX_PASSED:
            self._forgotten += self.position
            self.text, self.position = self.text[self.position :], 0

    def find(self, pattern: re.Pattern[str]) -> str:
        """Moves behind the next character that matches; empty, at the end, when none does."""
        while True:
            if match := pattern.search(self.text, self.position):
                self.position = match.end()
                return match.group()
            self.position = len(self.text)
            if not self.grow():
                return ""

    def skip_value(self) -> bool:
        """Moves behind the JSON value at the position, however long; False: the text ends in it."""
        depth = 0
        while mark := self.find(_STRUCTURE):
            if mark == '"':
                if not self._skip_string():
                    return False
            elif mark in "[{":
                depth += 1
                continue
            elif depth == 0:
                # Behind a number or a word; what follows it is not part of it.
                self.position -= 1
                return True
            elif mark in "]}":
                depth -= 1
            if depth == 0:
                return True
        return False

    def end_with_closing_bracket(self) -> None:
        """At the end of the text, moves back before the bracket that it ends with, if it does."""
        if self._last == "]":
            self.text, self.position = "]", 0

    def _skip_string(self) -> bool:
        while mark := self.find(_STRING_END):
            if mark == '"':
                return True
            if self.position == len(self.text) and not self.grow():
                return False
            self.position += 1
        return False
