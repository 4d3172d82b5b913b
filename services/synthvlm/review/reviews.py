"""Human verification as its callers see it: the calls and the page ask the same object."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from synthvlm.review.campaigns import leasing, submission
from synthvlm.review.campaigns.adjudication import settle
from synthvlm.review.campaigns.creation import NewCampaign, create
from synthvlm.review.campaigns.leasing import Asker
from synthvlm.review.campaigns.models import CampaignState
from synthvlm.review.campaigns.shown import (
    find_picture,
    read_picture,
    shown_pairs,
)
from synthvlm.review.campaigns.states import (
    RECORDING,
    campaign_page,
    change_state,
    find_campaign,
    require_state,
    views,
)
from synthvlm.review.campaigns.views import (
    CampaignView,
    Disagreement,
    Entry,
    Image,
    Leased,
    MyVerdict,
    Outcome,
    Progress,
    Submitted,
)
from synthvlm.review.exchange.entries import RecordedVerdict
from synthvlm.review.exchange.formats import Format, read_verdicts_file
from synthvlm.review.exchange.recording import Entered, enter_file
from synthvlm.review.people import Person, Role
from synthvlm.review.results.figures import Figures
from synthvlm.review.results.finishing import campaign_figures, finish
from synthvlm.review.results.progress import progress
from synthvlm.review.results.review_set import read_verdicts
from synthvlm.review.results.standing import disagreements, standing
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.verdicts import Side, Verdict
from synthvlm.sql.database import Database
from synthvlm.storage import Roots, Store, open_store, parse_location

R = TypeVar("R")

MOST_CAMPAIGNS: Final = 1_000
"""Campaigns that a list without pages holds."""

_ATTEMPTS: Final = 8
_PAUSE_SECONDS: Final = 0.005
"""How often a call looks for pairs that others had looked at just then; it waits longer each time.
"""

_CONFIDENCE: Final = 0.95


class Reviews:
    """All campaigns; used from many threads.

    Every method takes the person who asks, and raises ``PermissionDenied`` where another role is
    needed, ``NotFound`` for campaigns that they may not see, and ``Unavailable`` if the database
    fails.

    Args:
        database: Holds the campaigns; closed with this object.
        roots: URLs at or below which stores may be used.
        clock: Seconds since the Unix epoch.
    """

    def __init__(
        self, database: Database, roots: Sequence[str], clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._roots = Roots(roots)
        self._clock = clock
        self._opened = lru_cache(maxsize=16)(self._open)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def create(self, person: Person, new: NewCampaign) -> CampaignView:
        """Makes a campaign, a draft at first, or finds it made by the same ``request_id``.

        Raises:
            InvalidInput: The source is nothing to judge, or the design does not fit it, or the
                ``request_id`` was used for another campaign.
            NotFound: The source does not exist.
            DataCorrupt: It is damaged.
        """
        person.require(Role.OWNER)
        store = self._roots.require(new.store)
        return create(self._database, person, replace(new, store=store), self._now())

    def campaign(self, person: Person, campaign_id: str) -> CampaignView:
        """A campaign."""
        with self._database.session() as session:
            return views(session, person, [find_campaign(session, person, campaign_id)])[0]

    def campaigns(
        self, person: Person, before: int | None = None, count: int = MOST_CAMPAIGNS
    ) -> list[CampaignView]:
        """Campaigns that somebody may see, newest first, of one page.

        Args:
            person: Who asks.
            before: The ``row`` of the last one that is known; None: from the newest.
            count: At most this many.
        """
        with self._database.session() as session:
            return campaign_page(session, person, before, count)

    def open(self, person: Person, campaign_id: str) -> CampaignView:
        """Lets people judge.

        Raises:
            PreconditionFailed: The campaign is finished.
        """
        unfinished = (CampaignState.DRAFT, *RECORDING)
        return self._change(person, campaign_id, unfinished, CampaignState.OPEN)

    def close_campaign(self, person: Person, campaign_id: str) -> CampaignView:
        """Leases no more pairs.

        Raises:
            PreconditionFailed: The campaign was never open, or is finished.
        """
        return self._change(person, campaign_id, RECORDING, CampaignState.CLOSED)

    def lease(self, person: Person, campaign_id: str, count: int) -> Leased:
        """The pairs that somebody has to judge next: those that they hold, and further ones.

        Args:
            person: Who asks.
            campaign_id: Of which campaign.
            count: Pairs to hold in the end, at least one.

        Raises:
            PreconditionFailed: The campaign is not open, and nothing of it is held.
        """

        def work(session: Session, asker: Asker) -> tuple[Leased, bool]:
            turn = leasing.join(session, asker)
            pairs = leasing.held(session, asker)
            is_open = asker.campaign.state == CampaignState.OPEN
            if len(pairs) < count and is_open:
                pairs += leasing.lease(session, asker, count - len(pairs), turn)
            if not pairs:
                require_state(asker.campaign, (CampaignState.OPEN,))
            is_short = len(pairs) < count and is_open and leasing.is_more(session, asker)
            shown = shown_pairs(session, pairs[:count])
            return Leased(shown, asker.design.lease_seconds), is_short

        for attempt in range(_ATTEMPTS):
            leased, is_short = self._record(person, campaign_id, work)
            if not is_short:
                break
            time.sleep(_PAUSE_SECONDS * attempt)
        return leased

    def submit(self, person: Person, campaign_id: str, entries: Sequence[Entry]) -> Submitted:
        """Records somebody's entries; they are durable when this returns.

        Raises:
            InvalidInput: See ``submission.submit``.
            PreconditionFailed: The campaign is not open yet, or is finished.
        """

        def work(session: Session, asker: Asker) -> Submitted:
            leasing.join(session, asker)
            return submission.submit(session, asker, entries)

        return self._record(person, campaign_id, work)

    def skip(self, person: Person, campaign_id: str, pair_ids: Sequence[int]) -> int:
        """Gives pairs back that somebody holds; how many of them they did hold."""

        def work(session: Session, asker: Asker) -> int:
            leasing.join(session, asker)
            return leasing.skip(session, asker, pair_ids)

        return self._record(person, campaign_id, work)

    def mine(
        self, person: Person, campaign_id: str, count: int, before: int | None = None
    ) -> list[MyVerdict]:
        """Somebody's own verdicts as they stand, the last recorded first.

        Args:
            person: Whose.
            campaign_id: Of which campaign.
            count: At most this many.
            before: The ``row`` of the last one that is known; None: from the newest.
        """
        with self._database.session() as session:
            campaign = find_campaign(session, person, campaign_id)
            return submission.own_verdicts(session, campaign, person, count, before)

    def disagreements(
        self, person: Person, campaign_id: str, after: int, count: int, *, settled: bool = False
    ) -> list[Disagreement]:
        """Pairs that people judged differently, in the order of the sample.

        Args:
            person: An adjudicator.
            campaign_id: Of which campaign.
            after: The ``row`` of the last one that is known; 0: from the start.
            count: At most this many.
            settled: Also those that are settled.
        """
        person.require(Role.ADJUDICATOR)
        with self._database.session() as session:
            campaign = find_campaign(session, person, campaign_id)
            return disagreements(session, campaign, after, count, settled=settled)

    def adjudicate(
        self, person: Person, campaign_id: str, pair_id: int, request_id: str, decision: Verdict
    ) -> Outcome:
        """Settles a pair of the sample.

        Raises:
            NotFound: There is no such pair in the campaign.
            InvalidInput: The decision is not of the campaign's kind, or the ``request_id`` was used
                for another one.
            PreconditionFailed: The campaign is not open yet, or is finished.
        """
        person.require(Role.ADJUDICATOR)

        def work(session: Session, asker: Asker) -> Outcome:
            leasing.join(session, asker)
            return settle(session, asker, pair_id, request_id, decision)

        return self._record(person, campaign_id, work)

    def progress(self, person: Person, campaign_id: str) -> Progress:
        """How far a campaign is, and who has done what."""
        person.require(Role.OWNER)
        with self._database.session() as session:
            campaign = find_campaign(session, person, campaign_id)
            view = views(session, person, [campaign])[0]
            return progress(session, campaign, view, self._now())

    def statistics(
        self, person: Person, campaign_id: str, confidence: float = _CONFIDENCE
    ) -> Figures:
        """What the verdicts say: agreement, the truth rate, thresholds, annotators' errors."""
        person.require(Role.OWNER)
        with self._database.session() as session:
            campaign = find_campaign(session, person, campaign_id)
            found = standing(session, campaign)
        return campaign_figures(campaign, found, confidence)

    def entries(self, person: Person, campaign_id: str) -> list[RecordedVerdict]:
        """Every entry of a campaign, in the order in which they were recorded."""
        person.require(Role.OWNER)
        with self._database.session() as session:
            campaign = find_campaign(session, person, campaign_id)
            found = read_verdicts(session, campaign, standing(session, campaign))
        return [RecordedVerdict.model_validate(row) for row in found.entries]

    def import_verdicts(
        self, person: Person, campaign_id: str, form: Format, content: bytes
    ) -> Entered:
        """Records the verdicts of a file, each once, however often it is sent.

        They are their annotators', whether those have judged here or not. Of two verdicts of an
        annotator on a pair, the one that was made later stands.

        Raises:
            InvalidInput: The file is not of that format.
            PreconditionFailed: The campaign is not open yet, or is finished.
        """
        person.require(Role.OWNER)
        with self._database.session() as session:
            require_state(find_campaign(session, person, campaign_id), RECORDING)
        file = read_verdicts_file(form, content)
        return enter_file(self._database, person, campaign_id, file, self._now())

    def finish(self, person: Person, campaign_id: str) -> tuple[CampaignView, int]:
        """Commits a closed campaign's ReviewSet: the campaign, and how many pairs it rejects.

        The verdicts are final before they are read, so that a call after a kill commits the same.

        Raises:
            PreconditionFailed: The campaign is a draft or still open.
        """
        person.require(Role.OWNER)
        return finish(self._database, self._opened, person, campaign_id)

    def image(self, person: Person, campaign_id: str, pair_id: int, side: Side) -> Image:
        """An image of a pair, as shown on a side; LEFT for a pair that is judged alone.

        Raises:
            NotFound: There is no such image.
            PreconditionFailed: It is too large to be shown.
            DataCorrupt: It is gone or damaged.
        """
        with self._database.session() as session:
            campaign = find_campaign(session, person, campaign_id)
            picture = find_picture(session, campaign, pair_id, side)
        return read_picture(self._opened(campaign.store_uri), picture)

    def _record(self, person: Person, campaign_id: str, work: Callable[[Session, Asker], R]) -> R:
        """Runs work in a transaction during which a campaign cannot be finished."""

        def whole(session: Session) -> R:
            campaign = find_campaign(session, person, campaign_id, share=True)
            require_state(campaign, RECORDING)
            design = CampaignDesign.model_validate_json(campaign.design)
            return work(session, Asker(campaign, design, person, self._now()))

        return self._database.write(whole)

    def _change(
        self, person: Person, campaign_id: str, states: Sequence[CampaignState], to: CampaignState
    ) -> CampaignView:
        person.require(Role.OWNER)
        with self._database.writing() as session:
            campaign = find_campaign(session, person, campaign_id, lock=True)
            require_state(campaign, states)
            change_state(session, campaign, to)
            return views(session, person, [campaign])[0]

    def _open(self, uri: str) -> Store:
        return open_store(self._roots.require(parse_location(uri)))

    def _now(self) -> int:
        return int(self._clock())
