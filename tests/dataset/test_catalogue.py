"""The catalogue, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.migrations import MIGRATIONS
from synthvlm.dataset.models import Base
from synthvlm.dataset.provenance import Maker, Provenance, read_provenance
from synthvlm.dataset.publication import Reindexed, publish, reindex
from synthvlm.dataset.selection import select
from synthvlm.dataset.service import open_catalogue
from synthvlm.dataset.versions import Reference, find_version, parse_reference
from synthvlm.errors import InvalidInput, NotFound, Unavailable
from synthvlm.progress import SILENT
from synthvlm.sql.database import open_database
from synthvlm.storage import ShardRef, sha256_digest
from synthvlm.storage.digests import sealed
from tests.dataset.shards import run_of
from tests.sql.schemas import differences

MAKER = Maker(git_revision="0123abc", software_version="1.2.3")


@pytest.fixture
def opened(settings):
    catalogue = open_catalogue(settings)
    yield catalogue
    catalogue.close()


def ref(number, digits=""):
    digest = sha256_digest(str(number).encode())
    digest = f"sha256:{digits}{digest.removeprefix('sha256:')[len(digits) :]}"
    return ShardRef(f"dataset/{number}", digest, number)


def enter(catalogue, name, one, uri="file:///s", known=None):
    return catalogue.enter(name, one, uri, 10, MAKER, known)


def test_versions_are_numbered_from_one_and_know_their_parents(opened):
    first = enter(opened, "shapes", ref(1))
    second = enter(opened, "shapes", ref(2))
    other = enter(opened, "other", ref(3))
    assert [one.label for one in (first, second, other)] == ["shapes@1", "shapes@2", "other@1"]
    assert [one.provenance.parent for one in (first, second, other)] == [
        None,
        first.ref.digest,
        None,
    ]
    assert second.provenance.git_revision == "0123abc"
    assert second.provenance.software_version == "1.2.3"
    assert second.ref == ref(2)
    assert opened.newest("shapes") == second
    assert opened.numbered("shapes", 1) == first
    assert [one.label for one in opened.versions()] == ["other@1", "shapes@2", "shapes@1"]


def test_a_version_is_one_row_wherever_it_is_seen(opened):
    first = enter(opened, "shapes", ref(1))
    enter(opened, "shapes", ref(2))
    again = enter(opened, "shapes", ref(1), "file:///moved")
    assert again.provenance == first.provenance
    assert again.store_uri == "file:///moved"
    assert opened.numbered("shapes", 1) == again
    assert len(opened.versions()) == 2


def test_many_at_once_get_different_numbers_and_no_row_twice(opened):
    with ThreadPoolExecutor(8) as pool:
        entered = list(pool.map(lambda n: enter(opened, "shapes", ref(n % 8)), range(16)))
    numbers = {one.ref.digest: one.provenance.number for one in entered}
    assert sorted(numbers.values()) == list(range(1, 9))
    assert len(opened.versions()) == 8
    assert {one.ref.digest: one.provenance.number for one in opened.versions()} == numbers


def test_known_numbers_are_kept_where_they_are_free(opened):
    known = Provenance(
        number=7, parent=ref(6).digest, create_time=5, git_revision="", software_version="0"
    )
    assert enter(opened, "shapes", ref(7), known=known).provenance == known
    assert enter(opened, "shapes", ref(8)).provenance.number == 8
    assert enter(opened, "shapes", ref(9), known=known).provenance.number == 9


def test_indexes_are_entered_once(opened):
    opened.enter_index(ref(1), "file:///a")
    opened.enter_index(ref(2), "file:///a")
    opened.enter_index(ref(1), "file:///b")
    assert [(one.ref, one.store_uri) for one in opened.indexes()] == [
        (ref(2), "file:///a"),
        (ref(1), "file:///b"),
    ]


def test_pages_cover_all_versions_once(opened):
    for number in range(7):
        enter(opened, "shapes" if number % 2 else "other", ref(number))
    everything = [one.label for one in opened.versions()]
    for size in (1, 2, 3, 7, 100):
        seen, before = [], None
        while page := opened.page("", before, size):
            seen += [one.label for one in page]
            before = page[-1].row
        assert seen == everything
    assert [one.label for one in opened.page("shapes", None, 10)] == [
        "shapes@3",
        "shapes@2",
        "shapes@1",
    ]


class TestReferences:
    @pytest.fixture
    def filled(self, opened):
        for number, digits in enumerate(["aaaaaaaa11", "aaaaaaaa22", "bbbbbbbbbb"]):
            enter(opened, "shapes", ref(number, digits))
        return opened

    def find(self, catalogue, text):
        return find_version(catalogue, parse_reference(text), "version").label

    def test_each_way_to_name_a_version(self, filled):
        assert self.find(filled, "shapes") == "shapes@3"
        assert self.find(filled, "shapes@2") == "shapes@2"
        assert self.find(filled, "shapes@sha256:bbbbbbbb") == "shapes@3"
        assert self.find(filled, "shapes@sha256:aaaaaaaa1") == "shapes@1"
        assert self.find(filled, f"shapes@{ref(1, 'aaaaaaaa22').digest}") == "shapes@2"

    def test_a_digest_that_several_have(self, filled):
        with pytest.raises(InvalidInput, match=r"ambiguous: shapes@2 .*shapes@1 .*more digits"):
            self.find(filled, "shapes@sha256:aaaaaaaa")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("nothing", "no dataset 'nothing'"),
            ("nothing@1", "no dataset 'nothing'"),
            ("nothing@sha256:aaaaaaaa", "no dataset 'nothing'"),
            ("shapes@9", "no version 9; the newest is 3"),
            ("shapes@sha256:cccccccc", "no version whose digest begins"),
        ],
    )
    def test_what_is_not_there(self, filled, text, message):
        with pytest.raises(NotFound, match=message):
            self.find(filled, text)


@pytest.mark.parametrize(
    "text",
    [
        *["", "@1", "Shapes", "-a", "a@", "a@0", "a@-1", "a@01", "a@1.5", "a@sha256:abc", "a@b@1"],
        *["a@sha256:ABCDEF12", "a" * 65, "a@sha256:" + "a" * 65, "a@9999999999", "a\n", "a@1\n"],
    ],
)
def test_what_names_no_version(text):
    with pytest.raises(ValueError, match="must be NAME"):
        parse_reference(text)


def test_parsed_references():
    assert parse_reference("a-1") == Reference("a-1")
    assert parse_reference("a@12") == Reference("a", 12)
    assert parse_reference("a@sha256:01234567") == Reference("a", None, "sha256:01234567")


def test_migrations_give_the_models(settings):
    database = open_database(settings, MIGRATIONS)
    assert differences(database, Base.metadata) == []
    database.close()


def test_many_processes_may_start_at_once(settings):
    with ThreadPoolExecutor(4) as pool:
        catalogues = list(pool.map(lambda _: open_catalogue(settings), range(4)))
    for catalogue in [*catalogues, open_catalogue(settings)]:
        assert catalogue.versions() == []
        catalogue.close()


def test_a_locked_database_is_unavailable(tmp_path):
    settings = DatasetSettings(database=f"sqlite:///{tmp_path}/c.db", database_timeout_seconds=0.05)
    catalogue = open_catalogue(settings)
    other = create_engine(settings.database)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            enter(catalogue, "shapes", ref(1))
    other.dispose()
    enter(catalogue, "shapes", ref(1))
    catalogue.close()


class TestReindex:
    def test_a_lost_catalogue_is_filled_again(self, store, settings, tmp_path):
        chains = run_of(store)
        lost = open_catalogue(DatasetSettings(database=f"sqlite:///{tmp_path}/lost.sqlite"))
        for best in (3, 5, 4):
            made = select(store, chains, SelectionRule(top_k=best), SILENT)
            lost.enter_index(made.index, store.uri)
            version = assemble(store, AssemblyRequest(made.ref, "shapes", 4), SILENT)
            publish(lost, store, "shapes", version, MAKER)
        unpublished = assemble(store, AssemblyRequest(made.ref, "other", 4), SILENT)

        found = open_catalogue(settings)
        assert reindex(found, store, MAKER, SILENT) == Reindexed(versions=4, indexes=1)
        assert [(one.label, one.ref, one.provenance, one.bytes) for one in found.versions()] == [
            ("other@1", unpublished.ref, found.newest("other").provenance, unpublished.bytes),
            *[(one.label, one.ref, one.provenance, one.bytes) for one in lost.versions()],
        ]
        assert found.indexes() == lost.indexes()
        before = found.versions()
        reindex(found, store, MAKER, SILENT)
        assert found.versions() == before
        found.close()
        lost.close()

    def test_numbers_in_use_are_not_given_twice(self, store, catalogue):
        chains = run_of(store)
        refs = []
        for best in (3, 5):
            made = select(store, chains, SelectionRule(top_k=best), SILENT)
            refs.append(assemble(store, AssemblyRequest(made.ref, "shapes", 4), SILENT))
        publish(catalogue, store, "shapes", refs[0], MAKER)
        recorded = read_provenance(store, refs[0].ref.path)
        assert recorded is not None
        # As another catalogue, which knew of no other version, would have recorded it.
        store.write(
            f"{refs[1].ref.path}/provenance.json",
            sealed(recorded.model_copy(update={"number": 1}).model_dump()),
        )
        assert publish(catalogue, store, "shapes", refs[1], MAKER).label == "shapes@2"
