"""Campaigns in the database: found, listed, and taken from one state to the next."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from synthvlm.errors import NotFound, PreconditionFailed
from synthvlm.review.campaigns.models import Assignment, AssignmentState, Campaign, CampaignState
from synthvlm.review.campaigns.views import CampaignView
from synthvlm.review.people import Person, Role
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.storage import ShardRef

RECORDING: Final = (CampaignState.OPEN, CampaignState.CLOSED)
"""States of campaigns that annotators see, and that verdicts are recorded in."""

_WORDS: Final = {
    CampaignState.DRAFT: "is not open yet",
    CampaignState.OPEN: "is open; close it first",
    CampaignState.CLOSED: "is closed",
    CampaignState.FINISHED: "is finished",
}


def find_campaign(
    session: Session, person: Person, campaign_id: str, *, lock: bool = False, share: bool = False
) -> Campaign:
    """A campaign that somebody may see.

    Args:
        session: A transaction.
        person: Who asks.
        campaign_id: Which one.
        lock: Whether nobody else may change it, or record in it, until the transaction ends.
        share: Whether nobody else may change its state until then.

    Raises:
        NotFound: There is none, or it is not for annotators at present.
    """
    query = select(Campaign).where(Campaign.campaign_id == campaign_id)
    if lock or share:
        query = query.with_for_update(read=share)
    found = session.execute(query).scalar_one_or_none()
    if found is None or not _is_shown(person, found):
        raise NotFound(f"there is no campaign {campaign_id!r}")
    return found


def require_state(campaign: Campaign, states: Collection[CampaignState]) -> None:
    """Returns if a campaign is in one of some states.

    Raises:
        PreconditionFailed: It is in another one.
    """
    state = CampaignState(campaign.state)
    if state not in states:
        raise PreconditionFailed(
            f"the campaign {campaign.campaign_id} {_WORDS[state]}", {"state": state.name.lower()}
        )


def campaign_page(
    session: Session, person: Person, before: int | None, size: int
) -> list[CampaignView]:
    """Campaigns that somebody may see, newest first."""
    query = select(Campaign).order_by(Campaign.id.desc()).limit(size)
    if before is not None:
        query = query.where(Campaign.id < before)
    if person.role < Role.OWNER:
        query = query.where(Campaign.state.in_([int(state) for state in RECORDING]))
    return views(session, person, session.execute(query).scalars().all())


def views(session: Session, person: Person, campaigns: Sequence[Campaign]) -> list[CampaignView]:
    """Campaigns as somebody sees them: only owners are told what decides on gold questions."""
    counts = (
        select(Assignment.campaign, func.count())
        .where(
            Assignment.campaign.in_([one.id for one in campaigns]),
            Assignment.state == AssignmentState.DONE,
            Assignment.wanted,
        )
        .group_by(Assignment.campaign)
    )
    done = dict(session.execute(counts).all())
    return [_view(person, one, done.get(one.id, 0)) for one in campaigns]


def change_state(session: Session, campaign: Campaign, state: CampaignState) -> None:
    """Takes a campaign to another state."""
    session.execute(update(Campaign).where(Campaign.id == campaign.id).values(state=int(state)))
    campaign.state = int(state)


def source_of(campaign: Campaign) -> ShardRef:
    """What a campaign judges."""
    return ShardRef(campaign.source_path, campaign.source_digest, campaign.source_records)


def compared_of(campaign: Campaign) -> ShardRef | None:
    """What its images are compared with."""
    return _ref(campaign.compared_path, campaign.compared_digest, campaign.compared_records)


def review_set_of(campaign: Campaign) -> ShardRef | None:
    """Its committed ReviewSet."""
    return _ref(campaign.review_set_path, campaign.review_set_digest, campaign.review_set_records)


def _ref(path: str | None, digest: str | None, records: int | None) -> ShardRef | None:
    if path is None or digest is None or records is None:
        return None
    return ShardRef(path, digest, records)


def _is_shown(person: Person, campaign: Campaign) -> bool:
    return person.role >= Role.OWNER or CampaignState(campaign.state) in RECORDING


def _view(person: Person, campaign: Campaign, done: int) -> CampaignView:
    design = CampaignDesign.model_validate_json(campaign.design)
    return CampaignView(
        row=campaign.id,
        campaign_id=campaign.campaign_id,
        state=CampaignState(campaign.state),
        design=design if person.role >= Role.OWNER else design.for_annotators(),
        store_uri=campaign.store_uri,
        source=source_of(campaign),
        compared=compared_of(campaign),
        pairs=campaign.pairs,
        wanted=campaign.wanted,
        done=done,
        create_time=campaign.create_time,
        review_set=review_set_of(campaign),
    )
