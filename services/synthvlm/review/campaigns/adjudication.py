"""Settling a pair: decisions are only added to, and the last one stands."""

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from synthvlm.errors import FieldViolation, InvalidInput, NotFound
from synthvlm.review.campaigns.leasing import Asker
from synthvlm.review.campaigns.models import Adjudication, Pair
from synthvlm.review.campaigns.submission import opinion, require_kind
from synthvlm.review.campaigns.views import Outcome
from synthvlm.review.verdicts import Verdict


def settle(
    session: Session, asker: Asker, pair_id: int, request_id: str, decision: Verdict
) -> Outcome:
    """Records a decision; see ``Reviews.adjudicate``."""
    require_kind(asker, decision, "decision")
    mirrored = session.execute(
        select(Pair.mirrored).where(
            Pair.id == pair_id, Pair.campaign == asker.campaign.id, Pair.expected.is_(None)
        )
    ).scalar_one_or_none()
    if mirrored is None:
        raise NotFound(f"the campaign has no pair {pair_id} to settle")
    values = {"pair": pair_id, **opinion(decision, mirrored)}
    mine = {"campaign": asker.campaign.id, "adjudicator": asker.person.name}
    query = select(Adjudication).filter_by(**mine, request_id=request_id)
    before = session.execute(query).scalar_one_or_none()
    if before is None:
        more = {"request_id": request_id, "record_time": asker.now}
        session.execute(insert(Adjudication), {**values, **mine, **more})
        return Outcome.RECORDED
    if any(getattr(before, name) != value for name, value in values.items()):
        problem = "was used for another decision"
        raise InvalidInput(f"request_id {problem}", [FieldViolation("request_id", problem)])
    return Outcome.RECORDED_BEFORE
