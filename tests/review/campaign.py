"""Campaigns over a small Selection, in a database of the test's own and by a clock of its own."""

from dataclasses import dataclass, field
from pathlib import Path

from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.review.campaigns.creation import NewCampaign
from synthvlm.review.campaigns.drafts import GoldQuestion
from synthvlm.review.campaigns.views import CampaignView, Entry
from synthvlm.review.migrations import MIGRATIONS, VERSION_TABLE
from synthvlm.review.people import Person, Role
from synthvlm.review.reviews import Reviews
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.verdicts import Alignment, Verdict
from synthvlm.sql.database import Database, open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage import ShardRef, Store, file_location, open_store, parse_location
from tests.dataset.shards import Scored, chain_of, run_of

OWNER = Person("olga", Role.OWNER)
ANN, BOB, CEM = (Person(name, Role.ANNOTATOR) for name in ("ann", "bob", "cem"))
YES, PARTLY, NO = (Verdict(alignment=alignment) for alignment in Alignment)


@dataclass
class Clock:
    """A clock that stands still until it is told otherwise."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Room:
    """Where campaigns of a test are: its store, its database, and how to ask for them."""

    store: Store
    selection: ShardRef
    database: Database
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.reviews = Reviews(self.database, [self.store.uri], self.clock)

    def campaign(
        self,
        *,
        gold: list[GoldQuestion] | None = None,
        compared: ShardRef | None = None,
        request_id: str = "",
        **design: object,
    ) -> CampaignView:
        """An open campaign."""
        values = {"title": "Shapes", "sample_size": 10, "verdicts_per_pair": 2, **design}
        made = self.reviews.create(
            OWNER,
            NewCampaign(
                store=parse_location(self.store.uri),
                source=self.selection,
                design=CampaignDesign.model_validate(values),
                compared=compared,
                gold=gold or [],
                request_id=request_id,
            ),
        )
        return self.reviews.open(OWNER, made.campaign_id)

    def judge(
        self, person: Person, campaign_id: str, verdict: Verdict = YES, count: int = 1
    ) -> int:
        """Judges pairs one by one; how many there were."""
        for done in range(count):
            leased = self.reviews.lease(person, campaign_id, 1).pairs
            if not leased:
                return done
            pair = leased[0].pair_id
            self.reviews.submit(
                person, campaign_id, [Entry(pair, f"{person.name}-{pair}", verdict, 900)]
            )
        return count


def selection_of(folder: Path, captions: int = 40, seed: int = 0) -> tuple[Store, ShardRef]:
    """A store with a Selection of so many pairs."""
    store = open_store(file_location(folder / "store"))
    chains = run_of(store, captions, repeats=1, shards=1, seed=seed)
    return store, select(store, chains, SelectionRule(None, 1.0), SILENT).ref


def other_images(store: Store, captions: int = 40) -> ShardRef:
    """A Selection of other images of the same captions."""
    scored = [
        Scored(f"caption {number} of shard 0", 7, 0.5, 0.5 + number / 1_000)
        for number in range(captions)
    ]
    return select(store, [chain_of(store, scored, steps=30)], SelectionRule(None, 1.0), SILENT).ref


def review_database(url: str) -> Database:
    """A database with the tables of human verification."""
    return open_database(DatabaseSettings(database=url), MIGRATIONS, VERSION_TABLE)
