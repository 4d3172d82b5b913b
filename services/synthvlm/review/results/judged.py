"""The verdicts of a campaign, and the arrays that its statistics are computed from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from synthvlm.review.statistics.bootstrap import SampleWeights
from synthvlm.review.statistics.dawid_skene import UNKNOWN, Floats, Votes
from synthvlm.review.statistics.truth_rate import ACCEPTED, REJECTED
from synthvlm.review.verdicts import Alignment, Preference, Verdict

_WORTH: Final = {Preference.LEFT: 1.0, Preference.RIGHT: 0.0, Preference.EQUAL: 0.5}


@dataclass(frozen=True)
class JudgedPair:
    """A pair of a campaign.

    Attributes:
        pair: Its identifier.
        inclusion: Probability with which the sample's design draws it.
        stratum: Its stratum, from 0.
        score: Its weighted score; None in a source that was not scored.
        expected: The right answer to a gold question; None for pairs of the sample.
        settled: What an adjudicator decided; None if nobody did.
    """

    pair: int
    inclusion: float = 1.0
    stratum: int = 0
    score: float | None = None
    expected: Alignment | None = None
    settled: Alignment | None = None


@dataclass(frozen=True)
class GivenVerdict:
    """A verdict as it stands, and who gave it; at most one of an annotator on a pair.

    Attributes:
        pair: Identifier of the pair.
        annotator: Name of who gave it.
        verdict: The opinion.
    """

    pair: int
    annotator: str
    verdict: Verdict


def votes_of(
    pairs: Sequence[JudgedPair], given: Sequence[GivenVerdict], *, partly_is_true: bool
) -> tuple[Votes, list[str]]:
    """Verdicts on alignment as votes for ``ACCEPTED`` or ``REJECTED``.

    Returns:
        The votes, and the annotators by number, sorted by name.
    """
    true = {Alignment.YES, Alignment.PARTLY} if partly_is_true else {Alignment.YES}

    def label(alignment: Alignment | None) -> int:
        if alignment is None:
            return UNKNOWN
        return ACCEPTED if alignment in true else REJECTED

    rows = {pair.pair: row for row, pair in enumerate(pairs)}
    judged = [one for one in given if one.verdict.alignment is not None and one.pair in rows]
    annotators = sorted({one.annotator for one in judged})
    columns = {name: column for column, name in enumerate(annotators)}
    votes = Votes(
        pair=np.array([rows[one.pair] for one in judged], np.int64),
        annotator=np.array([columns[one.annotator] for one in judged], np.int64),
        label=np.array([label(one.verdict.alignment) for one in judged], np.int64),
        truth=np.array([label(pair.expected or pair.settled) for pair in pairs], np.int64),
        sampled=np.array([pair.expected is None for pair in pairs], np.bool_),
        annotators=len(annotators),
    )
    return votes, annotators


def weights_of(pairs: Sequence[JudgedPair]) -> SampleWeights:
    """What each pair stands for: as many as its inclusion probability says."""
    return SampleWeights(
        1 / np.array([pair.inclusion for pair in pairs], np.float64),
        np.array([pair.stratum for pair in pairs], np.int64),
    )


def preferences_of(
    pairs: Sequence[JudgedPair], given: Sequence[GivenVerdict]
) -> tuple[Floats, Floats]:
    """Preferences as ``statistics.preference`` takes them; a tie counts half.

    Returns:
        For each pair with a verdict, the mean of its verdicts and how many pairs it stands for.
    """
    worth: defaultdict[int, list[float]] = defaultdict(list)
    for one in given:
        if one.verdict.preference is not None:
            worth[one.pair].append(_WORTH[one.verdict.preference])
    judged = [pair for pair in pairs if worth[pair.pair]]
    means = np.array([float(np.mean(worth[pair.pair])) for pair in judged])
    return means, weights_of(judged).weights


def table_of(given: Sequence[GivenVerdict], field: str) -> Floats:
    """A field of the verdicts as a table of pairs by annotators, NaN where there is none.

    Args:
        given: The verdicts.
        field: ``alignment``, ``quality`` or ``preference``.
    """
    rows = {pair: row for row, pair in enumerate(sorted({one.pair for one in given}))}
    names = sorted({one.annotator for one in given})
    columns = {name: column for column, name in enumerate(names)}
    table = np.full((len(rows), len(columns)), np.nan)
    for one in given:
        value = getattr(one.verdict, field)
        if value is not None:
            table[rows[one.pair], columns[one.annotator]] = value
    return table
