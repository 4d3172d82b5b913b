"""A database that is opened, whatever service it belongs to, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from pydantic import ValidationError
from sqlalchemy import Integer, String, UniqueConstraint, create_engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from synthvlm.errors import DataCorrupt, PreconditionFailed, Unavailable
from synthvlm.sql.database import migrate, open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.sql.tables import metadata
from tests.sql.schemas import differences

MIGRATIONS = str(Path(__file__).parent / "versions")


class Base(DeclarativeBase):
    metadata = metadata()


class Note(Base):
    __tablename__ = "note"
    __table_args__ = (UniqueConstraint("text"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str] = mapped_column(String(64))


@pytest.fixture
def settings(database_url):
    return DatabaseSettings(database=database_url)


@pytest.fixture
def database(settings):
    opened = open_database(settings, MIGRATIONS)
    yield opened
    opened.close()


def test_a_service_gives_its_migrations(database):
    assert differences(database, Base.metadata) == []
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "r0001"


def test_a_session_commits_or_rolls_back(database):
    with database.session() as session:
        session.add(Note(text="one"))
    with pytest.raises(KeyError), database.session() as session:
        session.add(Note(text="two"))
        session.flush()
        raise KeyError
    with database.session() as session:
        assert [note.text for note in session.scalars(select(Note))] == ["one"]
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(Note(text="one"))


def test_many_processes_may_start_at_once(settings):
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(lambda _: open_database(settings, MIGRATIONS), range(4)))
    for database in databases:
        migrate(database.engine, MIGRATIONS)
        database.close()


def test_sqlite_is_in_wal_mode_and_waits(tmp_path):
    settings = DatabaseSettings(
        database=f"sqlite:///{tmp_path}/new folder/c.db", database_timeout_seconds=7
    )
    database = open_database(settings, MIGRATIONS)
    with database.engine.connect() as connection:
        pragmas = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "busy_timeout", "foreign_keys")
        ]
    database.close()
    assert pragmas == ["wal", 7000, 1]


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    url = f"postgresql://nobody@/none?host={tmp_path}"
    with pytest.raises(Unavailable, match="database failed"):
        open_database(DatabaseSettings(database=url), MIGRATIONS)


def test_a_locked_database_is_unavailable(tmp_path):
    settings = DatabaseSettings(
        database=f"sqlite:///{tmp_path}/c.db", database_timeout_seconds=0.05
    )
    database = open_database(settings, MIGRATIONS)
    other = create_engine(settings.database)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"), database.session() as session:
            session.add(Note(text="one"))
            session.flush()
    other.dispose()
    database.close()


def test_a_password_file_that_is_not_there(tmp_path):
    settings = DatabaseSettings(
        database="postgresql://u@h/d", database_password_file=tmp_path / "none"
    )
    with pytest.raises(PreconditionFailed, match="cannot be read"):
        open_database(settings, MIGRATIONS)


@pytest.mark.parametrize(
    "url", ["mysql://u@h/d", "sqlite://", "sqlite:///:memory:", "postgresql://u:p@h/d", "x"]
)
def test_what_cannot_be_a_database(url):
    with pytest.raises(ValidationError):
        DatabaseSettings(database=url)


@pytest.mark.parametrize(
    "content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000, b"\0" * 4096]
)
def test_a_file_that_is_not_a_database_is_named_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.sqlite").write_bytes(content)
    damaged = DatabaseSettings(database=f"sqlite:///{tmp_path}/notes.sqlite")
    with pytest.raises((DataCorrupt, Unavailable)) as caught:
        open_database(damaged, MIGRATIONS)
    assert "\n" not in caught.value.message
    assert "the database" in caught.value.message


@pytest.mark.parametrize("serves", ["r9998", None])
def test_a_schema_of_another_version_is_refused(tmp_path: Path, serves: str | None) -> None:
    later = DatabaseSettings(database=f"sqlite:///{tmp_path}/notes.sqlite")
    opened = open_database(later, MIGRATIONS)
    with opened.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
        connection.execute(text("DELETE FROM alembic_version_serves"))
        if serves is not None:
            insert = text("INSERT INTO alembic_version_serves VALUES (:revision)")
            connection.execute(insert, {"revision": serves})
    opened.close()
    with pytest.raises(PreconditionFailed, match=r"\(r9999\) is unknown to this version, and does"):
        open_database(later, MIGRATIONS)


def test_writes_at_once_are_all_kept_and_one_that_fails_harms_no_other(database):
    def write(number: int) -> int | str:
        def work(session):
            session.add(Note(text=f"note {number}"))
            session.flush()
            if number % 5 == 0:
                raise KeyError(number)
            return number

        try:
            return int(database.write(work))
        except KeyError:
            return "failed"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(40)))
    assert found == [number if number % 5 else "failed" for number in range(40)]
    with database.session() as session:
        texts = session.execute(select(Note.text)).scalars().all()
    assert sorted(texts) == sorted(f"note {number}" for number in range(40) if number % 5)


def test_what_was_read_before_a_write_is_still_so(database):
    with database.session() as session:
        session.add(Note(text="0"))

    def add_one(session):
        note = session.execute(select(Note).with_for_update()).scalar_one()
        note.text = str(int(note.text) + 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: database.write(add_one), range(40)))
    with database.session() as session:
        assert session.execute(select(Note.text)).scalar_one() == "40"
