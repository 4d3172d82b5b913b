"""The verdicts of a campaign as they stand, and the decisions of adjudicators."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from synthvlm.review.campaigns.models import (
    Adjudication,
    Assignment,
    AssignmentState,
    Campaign,
    Pair,
    Participant,
)
from synthvlm.review.campaigns.models import Verdict as VerdictRow
from synthvlm.review.campaigns.shown import shown_pairs
from synthvlm.review.campaigns.submission import from_opinion
from synthvlm.review.campaigns.views import Disagreement
from synthvlm.review.results.judged import GivenVerdict, JudgedPair
from synthvlm.review.verdicts import Alignment, Verdict


@dataclass(frozen=True)
class Standing:
    """What a campaign's verdicts say now, with the source's image on the left.

    Attributes:
        pairs: All pairs in the order of the sample, gold questions among them.
        given: The verdicts that stand, of people and models.
        models: Names of the models.
        decisions: What adjudicators decided, by pair.
    """

    pairs: list[JudgedPair]
    given: list[GivenVerdict]
    models: frozenset[str]
    decisions: dict[int, Verdict]


def standing(session: Session, campaign: Campaign) -> Standing:
    """Reads what a campaign's verdicts say now."""
    settled = decisions(session, select(Pair.id).where(Pair.campaign == campaign.id))
    query = select(Pair.id, Pair.inclusion, Pair.stratum, Pair.score, Pair.expected).where(
        Pair.campaign == campaign.id
    )
    pairs = [
        JudgedPair(
            row.id,
            row.inclusion,
            row.stratum,
            row.score,
            None if row.expected is None else Alignment(row.expected),
            settled[row.id].alignment if row.id in settled else None,
        )
        for row in session.execute(query.order_by(Pair.position))
    ]
    verdicts = (
        select(VerdictRow.__table__)
        .join(Assignment, Assignment.verdict == VerdictRow.id)
        .where(VerdictRow.campaign == campaign.id)
        .order_by(VerdictRow.pair, VerdictRow.annotator)
    )
    given = [
        GivenVerdict(row.pair, row.annotator, from_opinion(row, mirrored=False))
        for row in session.execute(verdicts)
    ]
    names = select(Participant.annotator).where(
        Participant.campaign == campaign.id, Participant.is_model
    )
    return Standing(pairs, given, frozenset(session.execute(names).scalars()), settled)


def decisions(session: Session, pairs: Select[Any] | list[int]) -> dict[int, Verdict]:
    """The decision that stands on each of the pairs that were settled."""
    last = (
        select(func.max(Adjudication.id))
        .where(Adjudication.pair.in_(pairs))
        .group_by(Adjudication.pair)
    )
    query = select(Adjudication.__table__).where(Adjudication.id.in_(last))
    return {row.pair: from_opinion(row, mirrored=False) for row in session.execute(query)}


def disagreeing(campaign: Campaign) -> Select[int, int]:
    """Selects the pairs that people judged differently, with their positions."""
    said = VerdictRow.alignment if campaign.compared_path is None else VerdictRow.preference
    return (
        select(Pair.id, Pair.position)
        .join(Assignment, Assignment.pair == Pair.id)
        .join(VerdictRow, VerdictRow.id == Assignment.verdict)
        .join(
            Participant,
            (Participant.campaign == Pair.campaign)
            & (Participant.annotator == Assignment.annotator),
        )
        .where(
            Assignment.campaign == campaign.id,
            Assignment.state == AssignmentState.DONE,
            Pair.expected.is_(None),
            ~Participant.is_model,
        )
        .group_by(Pair.id, Pair.position)
        .having(func.min(said) != func.max(said))
    )


def is_settled() -> Any:
    """Whether there is a decision on a row of ``Pair``."""
    return exists().where(Adjudication.pair == Pair.id)


def disagreements(
    session: Session, campaign: Campaign, after: int, count: int, *, settled: bool
) -> list[Disagreement]:
    """Pairs that people judged differently, as an adjudicator sees them, in the sample's order.

    Args:
        session: A transaction.
        campaign: Whose.
        after: The ``row`` of the last one that is known; 0: from the start.
        count: At most this many.
        settled: Also those that are settled.
    """
    # Rows count from 1, as page tokens do.
    query = disagreeing(campaign).where(Pair.position >= after)
    if not settled:
        query = query.where(~is_settled())
    found = session.execute(query.order_by(Pair.position).limit(count)).all()
    keys = [row.id for row in found]
    mirrored = dict(session.execute(select(Pair.id, Pair.mirrored).where(Pair.id.in_(keys))).all())
    given: dict[int, dict[str, Verdict]] = {key: {} for key in keys}
    verdicts = (
        select(VerdictRow.__table__)
        .join(Assignment, Assignment.verdict == VerdictRow.id)
        .where(VerdictRow.pair.in_(keys))
        .order_by(VerdictRow.annotator)
    )
    for row in session.execute(verdicts):
        given[row.pair][row.annotator] = from_opinion(row, mirrored[row.pair])
    known = decisions(session, keys)
    listed = []
    for row, pair in zip(found, shown_pairs(session, keys), strict=True):
        decision = known.get(row.id)
        if decision is not None and mirrored[row.id] and decision.preference is not None:
            decision = replace(decision, preference=decision.preference.mirrored())
        listed.append(Disagreement(row.position + 1, pair, given[row.id], decision))
    return listed
