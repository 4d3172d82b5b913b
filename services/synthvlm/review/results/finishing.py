"""Finishing a campaign: its verdicts become final, and then a ReviewSet."""

from collections.abc import Callable

from sqlalchemy import exists, select

from synthvlm.errors import PreconditionFailed
from synthvlm.review.campaigns.models import Assignment, AssignmentState, Campaign, CampaignState
from synthvlm.review.campaigns.states import (
    change_state,
    compared_of,
    find_campaign,
    require_state,
    source_of,
    views,
)
from synthvlm.review.campaigns.views import CampaignView
from synthvlm.review.people import Person
from synthvlm.review.results.figures import Figures, figures_of
from synthvlm.review.results.review_set import commit_review_set, read_verdicts
from synthvlm.review.results.standing import Standing, standing
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.sql.database import Database
from synthvlm.storage import Store

_CONFIDENCE = 0.95
"""Of the intervals in a ReviewSet."""


def finish(
    database: Database, opened: Callable[[str], Store], person: Person, campaign_id: str
) -> tuple[CampaignView, int]:
    """Commits a campaign's ReviewSet; see ``Reviews.finish``."""
    with database.writing() as session:
        campaign = find_campaign(session, person, campaign_id, lock=True)
        require_state(campaign, (CampaignState.CLOSED, CampaignState.FINISHED))
        judged = exists().where(
            Assignment.campaign == campaign.id, Assignment.state == AssignmentState.DONE
        )
        if not session.execute(select(judged)).scalar_one():
            raise PreconditionFailed(f"the campaign {campaign_id} has no verdict to keep")
        change_state(session, campaign, CampaignState.FINISHED)
        verdicts = read_verdicts(session, campaign, standing(session, campaign))
    ref, rejected = commit_review_set(
        opened(campaign.store_uri),
        source_of(campaign),
        compared_of(campaign),
        CampaignDesign.model_validate_json(campaign.design),
        verdicts,
        campaign_figures(campaign, verdicts.standing, _CONFIDENCE),
    )
    with database.writing() as session:
        campaign = find_campaign(session, person, campaign_id, lock=True)
        campaign.review_set_path = ref.path
        campaign.review_set_digest = ref.digest
        campaign.review_set_records = ref.records
        session.flush()
        return views(session, person, [campaign])[0], rejected


def campaign_figures(campaign: Campaign, found: Standing, confidence: float) -> Figures:
    """The figures of a campaign; the bootstrap's seed is the campaign's."""
    design = CampaignDesign.model_validate_json(campaign.design)
    return figures_of(
        found.pairs,
        found.given,
        models=found.models,
        compared=campaign.compared_path is not None,
        partly_is_true=design.partly_is_true,
        mean_score=campaign.mean_score,
        confidence=confidence,
        seed=design.seed,
    )
