"""What captions are like: how long, with which words, and with how many things.

Selection by score shifts this mix, mostly towards simpler captions; whoever compares datasets
should see by how much. Figures are of texts alone, so captions without images have them too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from synthvlm.caption_sample import CaptionSample
from synthvlm.scenes.grammar import parse

LENGTHS: Final = (5, 10, 15, 20, 30, 50)
"""Upper bounds of the groups of captions by number of words; the last group has no bound."""

MOST_WORDS: Final = 100_000
"""Distinct words that are counted; beyond twice as many the rarest are forgotten."""

_PUNCTUATION: Final = ".,;:!?\"'()[]"


@dataclass(frozen=True)
class Shift:
    """A share of captions in two sets of them, both 0 to 1: those with a property, or a word."""

    name: str
    before: float
    after: float


class CaptionMix:
    """Counts of some captions.

    Attributes:
        captions: Captions counted.
        words: Words of all captions together.
        lengths: Captions by the index of their group in ``LENGTHS``.
        things: Captions by the number of things that they name; those that are not in the language
            of the scene world are not counted.
        having: Captions by word.
        sample: A sample of them.
    """

    def __init__(self) -> None:
        self.captions = 0
        self.words = 0
        self.lengths: Counter[int] = Counter()
        self.things: Counter[int] = Counter()
        self.having: Counter[str] = Counter()
        self.sample = CaptionSample()

    def add(self, texts: Sequence[str]) -> None:
        """Counts captions."""
        self.sample.add(texts)
        for text in texts:
            words = words_of(text)
            self.captions += 1
            self.words += len(words)
            self.lengths[_group(len(words))] += 1
            self.having.update(set(words))
            if (things := things_of(text)) is not None:
                self.things[things] += 1
        if len(self.having) > 2 * MOST_WORDS:
            self.having = Counter(dict(self.having.most_common(MOST_WORDS)))

    @property
    def mean_words(self) -> float:
        """Mean number of words of a caption; 0 without captions."""
        return self.words / self.captions if self.captions else 0.0


def length_shifts(before: CaptionMix, after: CaptionMix) -> list[Shift]:
    """Shares of captions by number of words, shortest first; groups without captions left out."""
    groups = sorted(before.lengths.keys() | after.lengths.keys())
    return [
        Shift(
            _group_name(group),
            before.lengths[group] / max(1, before.captions),
            after.lengths[group] / max(1, after.captions),
        )
        for group in groups
    ]


def thing_shifts(before: CaptionMix, after: CaptionMix) -> list[Shift]:
    """Shares of captions of the scene world by number of things; none if there are no such."""
    totals = before.things.total(), after.things.total()
    return [
        Shift(
            str(number),
            before.things[number] / max(1, totals[0]),
            after.things[number] / max(1, totals[1]),
        )
        for number in sorted(before.things.keys() | after.things.keys())
    ]


def word_shifts(before: CaptionMix, after: CaptionMix, most: int) -> list[Shift]:
    """The words whose share of captions changed most, the largest change first."""
    shifts = [
        Shift(
            word,
            before.having[word] / max(1, before.captions),
            after.having[word] / max(1, after.captions),
        )
        for word in before.having.keys() | after.having.keys()
    ]
    # Rounded, so that equal changes are equal in floats too, and go by the alphabet.
    shifts.sort(key=lambda shift: (-round(abs(shift.after - shift.before), 12), shift.name))
    return [shift for shift in shifts[:most] if shift.after != shift.before]


def words_of(text: str) -> list[str]:
    """The words of a caption: lower case, without punctuation around them."""
    return [word for part in text.lower().split() if (word := part.strip(_PUNCTUATION))]


def things_of(text: str) -> int | None:
    """The number of things that a caption of the scene world names; None for any other text."""
    meaning = parse(text)
    return None if meaning is None else sum(group.count for group in meaning.groups)


def _group(words: int) -> int:
    return next((group for group, most in enumerate(LENGTHS) if words <= most), len(LENGTHS))


def _group_name(group: int) -> str:
    least = LENGTHS[group - 1] + 1 if group else 0
    return f"{least} or more" if group == len(LENGTHS) else f"{least} to {LENGTHS[group]}"
