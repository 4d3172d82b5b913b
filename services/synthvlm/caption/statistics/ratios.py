"""The statistics, one function each: float64 or int64 [texts], equal to Data-Juicer's.

Each is a quotient of two integers below 2^53, so numpy's division gives exactly the same double as
Python's. As in Data-Juicer, a quotient by zero is 0.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from synthvlm.caption.statistics.characters import ALNUM, SPECIAL
from synthvlm.caption.statistics.hashing import text_hash
from synthvlm.caption.statistics.ngrams import repetition
from synthvlm.caption.statistics.texts import Texts

Ratios = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FlaggedWords:
    """A set of words to look for.

    Attributes:
        prefixes: Which first 16 bits occur among their hashes, bool [65536].
    """

    words: frozenset[str]
    prefixes: npt.NDArray[np.bool_] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        prefixes = np.zeros(1 << 16, np.bool_)
        prefixes[[text_hash(word) >> 48 for word in self.words]] = True
        object.__setattr__(self, "prefixes", prefixes)


def alphanumeric_ratio(texts: Texts) -> Ratios:
    """``alnum_ratio``: fraction of characters that are alphanumeric."""
    return _ratio(texts.count(ALNUM), texts.lengths)


def special_character_ratio(texts: Texts) -> Ratios:
    """``special_char_ratio``: fraction of characters that are special."""
    return _ratio(texts.count(SPECIAL), texts.lengths)


def text_length(texts: Texts) -> Counts:
    """``text_len``: number of characters."""
    return texts.lengths


def word_count(texts: Texts) -> Counts:
    """``num_words``: number of words, not lower-cased first (a few capitals are special)."""
    return texts.words.counts


def flagged_word_ratio(texts: Texts, flagged: FlaggedWords) -> Ratios:
    """``flagged_words_ratio``: fraction of words that are in the list."""
    words = texts.lowered.words
    candidates = np.flatnonzero(flagged.prefixes[words.hashes >> np.uint64(48)])
    hits = [word for word in candidates.tolist() if words.text(word) in flagged.words]
    texts_of_hits = np.searchsorted(words.firsts, hits, side="right") - 1
    return _ratio(np.bincount(texts_of_hits, minlength=len(words.counts)), words.counts)


def character_repetition_ratio(texts: Texts, size: int) -> Ratios:
    """``char_rep_ratio``: fraction of character n-grams that are frequently repeated ones.

    With U distinct n-grams, R of them occurring more than once, the min(floor(sqrt(U)), R) most
    frequent ones count.
    """
    found = repetition(texts.codes, texts.starts, texts.lengths, size)
    extra = _sums(found.segments, found.counts - 1, len(found.totals))
    repeated = np.bincount(found.segments, minlength=len(found.totals))
    counted = np.minimum(np.sqrt(found.totals - extra).astype(np.int64), repeated)
    order = np.lexsort((-found.counts, found.segments))
    segments, counts = found.segments[order], found.counts[order]
    rank = np.arange(len(order)) - np.searchsorted(segments, segments)
    top = rank < counted[segments]
    ratios = _ratio(_sums(segments[top], counts[top], len(found.totals)), found.totals)
    for text in found.uncertain:
        ratios[text] = _character_repetition(texts.texts[text], size)
    return ratios


def word_repetition_ratio(texts: Texts, size: int) -> Ratios:
    """``word_rep_ratio``: fraction of word n-grams that occur more than once."""
    words = texts.lowered.words
    found = repetition(words.hashes, words.firsts, words.counts, size)
    ratios = np.zeros(len(found.totals))
    # Different hashes prove that words differ; if hashes are equal, the words are counted.
    for text in np.union1d(found.segments, found.uncertain):
        ratios[text] = _word_repetition(words.of_text(text), size)
    return ratios


def _character_repetition(text: str, size: int) -> float:
    counts = Counter(text[start : start + size] for start in range(len(text) - size + 1))
    repeated = sorted((count for count in counts.values() if count > 1), reverse=True)
    top = repeated[: int(np.sqrt(len(counts)))]
    return sum(top) / counts.total()


def _word_repetition(words: Sequence[str], size: int) -> float:
    counts = Counter(tuple(words[start : start + size]) for start in range(len(words) - size + 1))
    return sum(count for count in counts.values() if count > 1) / counts.total()


def _ratio(part: Counts, whole: Counts) -> Ratios:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _sums(segments: Counts, values: Counts, length: int) -> Counts:
    # bincount adds in float64, where sums of integers below 2^53 are exact.
    return np.bincount(segments, weights=values, minlength=length).astype(np.int64)
