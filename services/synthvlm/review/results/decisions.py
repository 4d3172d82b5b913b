"""What a campaign says of a pair in the end: an adjudicator's word, or that of most annotators."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TypeVar

from synthvlm.review.verdicts import GRAVE, Alignment, Preference, Reason, Verdict

E = TypeVar("E", bound=IntEnum)


class DecidedBy(StrEnum):
    """Who decided on a pair."""

    NOBODY = "nobody"
    """It has no verdict."""
    MAJORITY = "majority"
    """More annotators than not."""
    TIE = "tie"
    """As many for as against it, and nobody settled it: it is not taken for true."""
    GRAVE_REASON = "grave_reason"
    """An annotator called it unsafe, or saw private data."""
    ADJUDICATOR = "adjudicator"
    """An adjudicator, whatever annotators said."""


@dataclass(frozen=True)
class Decision:
    """What a campaign says of a pair.

    Attributes:
        alignment: What was said most often, of equals the worse; None without verdicts.
        preference: Likewise, of equals the one with the higher number.
        reasons: Given by anybody who counts.
        rejected: Whether the pair leaves the dataset; never where images are compared, unless a
            reason is grave.
    """

    alignment: Alignment | None
    preference: Preference | None
    reasons: frozenset[Reason]
    decided_by: DecidedBy
    rejected: bool


def decide(
    verdicts: Sequence[Verdict], settled: Verdict | None, *, partly_is_true: bool
) -> Decision:
    """Decides on a pair.

    Args:
        verdicts: Those of people, as they stand.
        settled: An adjudicator's decision, if there is one.
        partly_is_true: Whether a pair that is partly right counts as true.
    """
    said = [settled] if settled is not None else verdicts
    true = {Alignment.YES, Alignment.PARTLY} if partly_is_true else {Alignment.YES}
    reasons = frozenset(reason for one in said for reason in one.reasons)
    judged = [one.alignment for one in said if one.alignment is not None]
    against = sum(alignment not in true for alignment in judged)
    decided = DecidedBy.MAJORITY
    if not said:
        decided = DecidedBy.NOBODY
    elif settled is not None:
        decided = DecidedBy.ADJUDICATOR
    elif reasons & GRAVE:
        decided = DecidedBy.GRAVE_REASON
    elif judged and 2 * against == len(judged):
        decided = DecidedBy.TIE
    rejected = bool(judged) and 2 * against >= len(judged)
    return Decision(
        _most(judged),
        _most([one.preference for one in said if one.preference is not None]),
        reasons,
        decided,
        rejected or bool(reasons & GRAVE),
    )


def _most(values: Sequence[E]) -> E | None:
    """The most frequent value; of several, the one with the highest number."""
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value), default=None)
