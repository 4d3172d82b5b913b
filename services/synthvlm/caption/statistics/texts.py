"""Many texts as one array of code points, and their words as arrays of positions."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synthvlm.caption.statistics import hashing
from synthvlm.caption.statistics.characters import SEPARATOR, SPECIAL, character_kinds

_END = "\n"


class Texts:
    """Concatenated texts, with a newline after each, so that no word extends into the next text.

    Attributes:
        joined: The texts and newlines as one string.
        codes: Its code points, uint32 [characters].
        starts: Where each text begins in ``codes``, int64 [texts].
        lengths: Characters of each text, int64 [texts].
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.starts = np.cumsum(self.lengths + 1) - self.lengths - 1
        self.joined = _END.join(texts) + _END
        # Lone surrogates have no UTF-8, but they are characters of a str and have statistics.
        encoded = self.joined.encode("utf-32-le", "surrogatepass")
        self.codes = np.frombuffer(encoded, np.dtype("<u4"))

    @functools.cached_property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Kinds of each character (see ``characters``), uint8 [characters]."""
        return character_kinds()[self.codes]

    @functools.cached_property
    def lowered(self) -> "Texts":
        """The same texts in lower case; lowering them together does not change the words."""
        return Texts([text.lower() for text in self.texts])

    @functools.cached_property
    def words(self) -> "Words":
        """The words, special characters stripped from both ends."""
        return Words(self)

    def count(self, kind: int) -> npt.NDArray[np.int64]:
        """Characters of a kind in each text, int64 [texts]."""
        before = np.zeros(len(self.codes) + 1, np.int64)
        np.cumsum((self.kinds & kind) != 0, out=before[1:])
        counts: npt.NDArray[np.int64] = before[self.starts + self.lengths] - before[self.starts]
        return counts


class Words:
    """Words of all texts, in order: split on newline, tab and space, and stripped.

    A word of special characters only does not count.

    Attributes:
        starts: Where each word begins in the texts' ``codes``, int64 [words].
        ends: Where it ends, int64 [words].
        firsts: Number of each text's first word, int64 [texts].
        counts: Words of each text, int64 [texts].
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        # Stripping keeps everything between a word's first and last non-special characters, so
        # those characters alone determine where words are.
        inner = np.flatnonzero((texts.kinds & SPECIAL) == 0)
        word = np.cumsum((texts.kinds & SEPARATOR) != 0, dtype=np.int64)[inner]
        changes = np.flatnonzero(word[1:] != word[:-1])
        some = min(len(inner), 1)
        self.starts = inner[np.concatenate([np.zeros(some, np.int64), changes + 1])]
        self.ends = inner[np.concatenate([changes, np.full(some, len(inner) - 1)])] + 1
        self.firsts = np.searchsorted(self.starts, texts.starts)
        self.counts = np.diff(self.firsts, append=len(self.starts))

    @functools.cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """A hash of each word, uint64 [words]: equal for equal words, rarely also for others."""
        return hashing.span_hashes(self._texts.codes, self.starts, self.ends)

    def text(self, word: int) -> str:
        """Word number ``word``."""
        return self._texts.joined[self.starts[word] : self.ends[word]]

    def of_text(self, text: int) -> list[str]:
        """The words of text number ``text``."""
        first = self.firsts[text]
        return [self.text(word) for word in range(first, first + self.counts[text])]
