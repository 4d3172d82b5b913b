"""The catalogue, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import create_engine, text

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.catalogue import Catalogue
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.database import migrate, open_database
from synthvlm.dataset.models import Base
from synthvlm.dataset.pages import page_token, row_of
from synthvlm.dataset.provenance import Maker, Provenance, read_provenance
from synthvlm.dataset.publication import Reindexed, publish, reindex
from synthvlm.dataset.selection import select
from synthvlm.dataset.versions import Reference, find_version, parse_reference
from synthvlm.errors import InvalidInput, NotFound, Unavailable
from synthvlm.progress import SILENT
from synthvlm.storage import ShardRef, sha256_digest
from tests.dataset.shards import run_of

MAKER = Maker(git_revision="0123abc", software_version="1.2.3")


@pytest.fixture
def opened(settings):
    catalogue = Catalogue(open_database(settings))
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


class TestPageTokens:
    @given(st.sampled_from(["", "shapes"]), st.integers(1, 2**63))
    def test_a_token_comes_back(self, name, row):
        assert row_of(page_token(name, row), name) == row

    def test_none_is_the_start(self):
        assert row_of("", "shapes") is None

    @given(st.text(min_size=1, max_size=60))
    def test_anything_else_is_refused(self, text):
        with pytest.raises(InvalidInput) as raised:
            row_of(text, "")
        assert raised.value.violations[0].field == "page_token"

    def test_a_changed_token_is_refused(self):
        token = page_token("shapes", 12)
        for index, character in enumerate(token[:-1]):
            other = "A" if character != "A" else "B"
            with pytest.raises(InvalidInput):
                row_of(token[:index] + other + token[index + 1 :], "shapes")

    def test_a_token_of_another_list_is_refused(self):
        with pytest.raises(InvalidInput, match="same name"):
            row_of(page_token("shapes", 12), "")


class TestSchema:
    def test_migrations_give_the_models(self, settings):
        engine = open_database(settings)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, Base.metadata) == []
        engine.dispose()

    def test_many_processes_may_start_at_once(self, settings):
        with ThreadPoolExecutor(4) as pool:
            engines = list(pool.map(lambda _: open_database(settings), range(4)))
        for engine in engines:
            migrate(engine)
            assert Catalogue(engine).versions() == []
            engine.dispose()

    def test_sqlite_is_in_wal_mode_and_waits(self, tmp_path):
        engine = open_database(
            DatasetSettings(database=f"sqlite:///{tmp_path}/c.db", database_timeout_seconds=7)
        )
        with engine.connect() as connection:
            pragmas = [
                connection.execute(text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "busy_timeout", "foreign_keys")
            ]
        engine.dispose()
        assert pragmas == ["wal", 7000, 1]


class TestConnection:
    def test_a_server_that_is_not_there_is_unavailable(self, tmp_path):
        url = f"postgresql://nobody@/none?host={tmp_path}"
        with pytest.raises(Unavailable, match="database failed"):
            open_database(DatasetSettings(database=url))

    def test_a_database_that_is_locked_is_unavailable(self, tmp_path):
        settings = DatasetSettings(
            database=f"sqlite:///{tmp_path}/c.db", database_timeout_seconds=0.05
        )
        catalogue = Catalogue(open_database(settings))
        other = create_engine(settings.database)
        with other.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="locked"):
                enter(catalogue, "shapes", ref(1))
        other.dispose()
        enter(catalogue, "shapes", ref(1))
        catalogue.close()

    @pytest.mark.parametrize(
        "url", ["mysql://u@h/d", "sqlite://", "sqlite:///:memory:", "postgresql://u:p@h/d", "x"]
    )
    def test_what_is_no_database(self, url):
        with pytest.raises(ValidationError):
            DatasetSettings(database=url)


class TestReindex:
    def test_a_lost_catalogue_is_filled_again(self, store, settings, tmp_path):
        chains = run_of(store)
        lost = Catalogue(
            open_database(DatasetSettings(database=f"sqlite:///{tmp_path}/lost.sqlite"))
        )
        for best in (3, 5, 4):
            made = select(store, chains, SelectionRule(top_k=best), SILENT)
            lost.enter_index(made.index, store.uri)
            version = assemble(store, AssemblyRequest(made.ref, "shapes", 4), SILENT)
            publish(lost, store, "shapes", version, MAKER)
        unpublished = assemble(store, AssemblyRequest(made.ref, "other", 4), SILENT)

        found = Catalogue(open_database(settings))
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
            recorded.model_copy(update={"number": 1}).to_json().encode(),
        )
        assert publish(catalogue, store, "shapes", refs[1], MAKER).label == "shapes@2"
