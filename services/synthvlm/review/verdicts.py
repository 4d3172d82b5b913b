"""What people say of a pair: the words, with the numbers of the proto."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Alignment(IntEnum):
    """Whether an image shows what its caption says."""

    YES = 1
    PARTLY = 2
    NO = 3


class Reason(IntEnum):
    """What is wrong with a pair."""

    WRONG_OBJECT = 1
    COLOUR = 2
    COUNT = 3
    RELATION = 4
    TEXT_ARTEFACT = 5
    UNSAFE = 6
    PRIVATE_DATA = 7


GRAVE = frozenset({Reason.UNSAFE, Reason.PRIVATE_DATA})
"""Reasons for which a pair is rejected whoever gives them, and however well it is aligned."""


class Preference(IntEnum):
    """Which of two images is better: as shown, or with the source on the left, as recorded."""

    LEFT = 1
    RIGHT = 2
    EQUAL = 3

    def mirrored(self) -> "Preference":
        """The same preference where the two images have changed places."""
        return {Preference.LEFT: Preference.RIGHT, Preference.RIGHT: Preference.LEFT}.get(
            self, self
        )


class Side(IntEnum):
    """One of the two images of a comparison; a pair that is judged alone has a left one only."""

    LEFT = 1
    RIGHT = 2

    def other(self) -> "Side":
        """The other one."""
        return Side(3 - self)


@dataclass(frozen=True)
class Verdict:
    """An opinion of a pair.

    Attributes:
        alignment: Whether the image shows what the caption says; None in a comparison.
        reasons: What is wrong.
        quality: How good the image is, 1 to 5; None: not judged.
        preference: Which image is better, as shown; None unless two are compared.
        comment: A comment; may be empty.
    """

    alignment: Alignment | None = None
    reasons: frozenset[Reason] = frozenset()
    quality: int | None = None
    preference: Preference | None = None
    comment: str = ""


def as_bits(reasons: Iterable[Reason]) -> int:
    """Reasons as a number, one bit each, as the database holds them."""
    return sum(1 << reason for reason in set(reasons))


def from_bits(bits: int) -> frozenset[Reason]:
    """The reasons that a number stands for."""
    return frozenset(reason for reason in Reason if bits >> reason & 1)
