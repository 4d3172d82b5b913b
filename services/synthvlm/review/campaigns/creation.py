"""Making a campaign once, however often it is asked for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.review.campaigns.drafts import GoldQuestion, draft, enter
from synthvlm.review.campaigns.models import Campaign
from synthvlm.review.campaigns.states import views
from synthvlm.review.campaigns.views import CampaignView
from synthvlm.review.people import Person
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.sampling.sources import open_source
from synthvlm.sql.database import Database
from synthvlm.storage import Location, ShardRef, canonical_json, open_store, sha256_digest


@dataclass(frozen=True)
class NewCampaign:
    """What to judge, and how.

    Attributes:
        store: Where the source is stored, and the ReviewSet will be.
        source: A Selection or a dataset version.
        compared: Another one whose images are compared with the source's.
        gold: Questions whose answer is known.
        request_id: Makes a repeat safe; empty: each call makes a campaign.
    """

    store: Location
    source: ShardRef
    design: CampaignDesign
    compared: ShardRef | None = None
    gold: Sequence[GoldQuestion] = ()
    request_id: str = ""

    @property
    def digest(self) -> str:
        """Digest of everything that is asked for."""
        content: dict[str, Any] = {
            "store": self.store.uri,
            "source": asdict(self.source),
            "compared": None if self.compared is None else asdict(self.compared),
            "design": self.design.model_dump(mode="json"),
            "gold": [asdict(question) for question in self.gold],
        }
        return sha256_digest(canonical_json(content))


def create(database: Database, person: Person, new: NewCampaign, now: int) -> CampaignView:
    """Makes a campaign, or finds it made by the same ``request_id``; see ``Reviews.create``."""
    if (made := _made(database, person, new)) is not None:
        return made
    store = open_store(new.store)
    source = open_source(store, new.source, "source")
    compared = None
    if new.compared is not None:
        compared = open_source(store, new.compared, "compared")
    drawn = draft(new.design, source, compared, new.gold)
    refs = {
        f"{role}_{name}": None if ref is None else getattr(ref, name)
        for role, ref in (("source", new.source), ("compared", new.compared))
        for name in ("path", "digest", "records")
    }
    columns = {
        **refs,
        "store_uri": store.uri,
        "create_time": now,
        "request_id": new.request_id or None,
        "request_digest": new.digest,
    }
    try:
        with database.writing() as session:
            return views(session, person, [enter(session, drawn, columns)])[0]
    except IntegrityError:
        # Another call with the same id was faster.
        if (made := _made(database, person, new)) is None:
            raise
        return made


def _made(database: Database, person: Person, new: NewCampaign) -> CampaignView | None:
    if not new.request_id:
        return None
    with database.session() as session:
        query = select(Campaign).where(Campaign.request_id == new.request_id)
        found = session.execute(query).scalar_one_or_none()
        if found is None:
            return None
        if found.request_digest != new.digest:
            problem = "was used for another campaign"
            raise InvalidInput(f"request_id {problem}", [FieldViolation("request_id", problem)])
        return views(session, person, [found])[0]
