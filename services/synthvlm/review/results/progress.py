"""How far a campaign is, and who has done what."""

from statistics import median
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from synthvlm.review.campaigns.leasing import leased_now
from synthvlm.review.campaigns.models import (
    Assignment,
    AssignmentState,
    Campaign,
    Pair,
    Participant,
    Verdict,
)
from synthvlm.review.campaigns.views import AnnotatorProgress, CampaignView, Progress
from synthvlm.review.results.standing import disagreeing, is_settled
from synthvlm.review.verdicts import Alignment

MAX_ANNOTATORS = 10_000
"""Most annotators that are listed."""


def progress(session: Session, campaign: Campaign, view: CampaignView, now: int) -> Progress:
    """Counts what was done.

    Args:
        session: A transaction.
        campaign: Of which campaign.
        view: The same as callers see it.
        now: Seconds since the Unix epoch.
    """
    apart = disagreeing(campaign).subquery()
    count = select(func.count())
    settled = count.select_from(Pair).where(Pair.id.in_(select(apart.c.id)), is_settled())
    return Progress(
        campaign=view,
        complete_pairs=_complete(session, campaign),
        leased=leased_now(session, campaign.id, now),
        disagreements=session.execute(count.select_from(apart)).scalar_one(),
        settled=session.execute(settled).scalar_one(),
        annotators=_annotators(session, campaign, view.design.partly_is_true),
    )


def _complete(session: Session, campaign: Campaign) -> int:
    done = func.sum(case((Assignment.state == AssignmentState.DONE, 1), else_=0))
    pairs = (
        select(Assignment.pair)
        .where(Assignment.campaign == campaign.id, Assignment.wanted)
        .group_by(Assignment.pair)
        .having(done == func.count())
        .subquery()
    )
    return session.execute(select(func.count()).select_from(pairs)).scalar_one()


def _annotators(
    session: Session, campaign: Campaign, partly_is_true: bool
) -> list[AnnotatorProgress]:
    query = select(Participant.annotator, Participant.is_model).where(
        Participant.campaign == campaign.id
    )
    found = session.execute(query.order_by(Participant.annotator).limit(MAX_ANNOTATORS)).all()
    verdicts = (
        select(
            Assignment.annotator,
            Pair.expected,
            Verdict.alignment,
            Verdict.duration_ms,
            Verdict.record_time,
        )
        .join(Pair, Pair.id == Assignment.pair)
        .join(Verdict, Verdict.id == Assignment.verdict)
        .where(Assignment.campaign == campaign.id)
    )
    given: dict[str, list[Any]] = {}
    for name, *row in session.execute(verdicts):
        given.setdefault(str(name), []).append(row)
    skips = (
        select(Assignment.annotator, func.count())
        .where(Assignment.campaign == campaign.id, Assignment.state == AssignmentState.SKIPPED)
        .group_by(Assignment.annotator)
    )
    skipped = {str(name): int(number) for name, number in session.execute(skips)}
    true = {Alignment.YES, Alignment.PARTLY} if partly_is_true else {Alignment.YES}
    made = []
    for name, is_model in found:
        own = given.get(name, [])
        gold = [(row[0] in true) == (row[1] in true) for row in own if row[0] is not None]
        times = [row[2] for row in own if row[2]]
        made.append(
            AnnotatorProgress(
                annotator=name,
                is_model=is_model,
                verdicts=len(own) - len(gold),
                gold_answered=len(gold),
                gold_right=sum(gold),
                skipped=skipped.get(name, 0),
                median_ms=round(median(times)) if times else 0,
                last_time=max((row[3] for row in own), default=0),
            )
        )
    return made
