"""Two versions of a service on one database at once: the one before works on the later schema."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synthvlm.dataset.catalogue import Catalogue
from synthvlm.dataset.migrations import MIGRATIONS as DATASET
from synthvlm.dataset.provenance import Maker
from synthvlm.errors import PreconditionFailed
from synthvlm.review.migrations import MIGRATIONS as REVIEW
from synthvlm.review.migrations import VERSION_TABLE as REVIEW_TABLE
from synthvlm.review.people import Person, Role
from synthvlm.sql.database import VERSION_TABLE, Database, open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage import ShardRef, Store, sha256_digest
from tests.review.campaign import OWNER, YES, Room, selection_of
from tests.sql.schemas import later

EXPANDS = {
    "dataset": 'op.add_column("version", sa.Column("licence", sa.String(64), nullable=True))',
    "review": 'op.add_column("campaign", sa.Column("language", sa.String(8), server_default="en"))',
}


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, ShardRef]:
    return selection_of(tmp_path_factory.mktemp("review"))


class Datasets:
    """The catalogue of datasets, as the version before uses it."""

    migrations, table, expand = DATASET, VERSION_TABLE, EXPANDS["dataset"]

    def __init__(self, database: Database, _store: Store, _source: ShardRef) -> None:
        self.catalogue = Catalogue(database)

    def work(self, number: int) -> None:
        """Enters a version, and finds it again in every way."""
        digest = sha256_digest(str(number).encode())
        maker = Maker(git_revision="0123abc", software_version="1")
        ref = ShardRef(f"dataset/{number}", digest, number)
        entry = self.catalogue.enter(f"name-{number % 3}", ref, "file:///s", 10, maker)
        self.catalogue.enter_index(ref, "file:///s")
        assert self.catalogue.numbered(entry.name, entry.provenance.number) == entry

    def check(self, count: int) -> None:
        """Whether everything that was entered is there, once."""
        assert len(self.catalogue.versions()) == count


class Campaigns:
    """Campaigns and verdicts, as the version before uses them."""

    migrations, table, expand = REVIEW, REVIEW_TABLE, EXPANDS["review"]

    def __init__(self, database: Database, store: Store, source: ShardRef) -> None:
        self.room = Room(store, source, database)
        self.campaigns: list[str] = []

    def work(self, number: int) -> None:
        """A campaign of two pairs, judged."""
        campaign = self.room.campaign(sample_size=2, verdicts_per_pair=1, title=f"C{number}")
        person = Person(f"p{number}", Role.ANNOTATOR)
        assert self.room.judge(person, campaign.campaign_id, YES, 3) == 2
        self.campaigns.append(campaign.campaign_id)

    def check(self, count: int) -> None:
        """Whether every verdict is there."""
        assert len(self.campaigns) == count
        for campaign in self.campaigns:
            assert self.room.reviews.progress(OWNER, campaign).complete_pairs == 2


@pytest.mark.parametrize("kind", [Datasets, Campaigns])
def test_the_version_before_works_while_the_schema_grows_and_starts_on_it(
    kind: type[Datasets | Campaigns],
    selection: tuple[Store, ShardRef],
    database_url: str,
    tmp_path: Path,
) -> None:
    settings = DatabaseSettings(database=database_url)
    database = open_database(settings, kind.migrations, kind.table)
    old = kind(database, *selection)
    done = threading.Event()

    def serve() -> int:
        number = 0
        while not done.is_set() or number < 8:
            old.work(number)
            number += 1
        return number

    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        time.sleep(0.2)
        newer = later(kind.migrations, tmp_path / "versions", 2, 1, kind.expand)
        new = open_database(settings, newer, kind.table)
        done.set()
        count = served.result()
    old.check(count)
    database.close()
    # One that starts now, as after a rollback.
    again = open_database(settings, kind.migrations, kind.table)
    kind(again, *selection).work(1000)
    again.close()
    new.close()


def test_a_schema_that_took_something_away_serves_the_version_before_it_alone(
    database_url: str, tmp_path: Path
) -> None:
    settings = DatabaseSettings(database=database_url)
    folder = tmp_path / "versions"
    expand = later(DATASET, folder, 2, 1, EXPANDS["dataset"])
    open_database(settings, expand).close()
    between = tmp_path / "between"
    between.mkdir()
    (between / "r0002_later.py").write_bytes((folder / "r0002_later.py").read_bytes())
    contract = later(DATASET, folder, 3, 2, 'op.drop_column("version", "git_revision")')
    open_database(settings, contract).close()
    open_database(settings, f"{DATASET}\n{between}").close()
    with pytest.raises(PreconditionFailed, match=r"schema \(r0003\) is unknown to this version"):
        open_database(settings, DATASET)
