"""A service's database: SQLite or PostgreSQL, migrated to the newest schema at startup."""

import fcntl
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from synthvlm.disk_space import full_disk_text, says_disk_is_full
from synthvlm.errors import DataCorrupt, OutOfSpace, PreconditionFailed, Unavailable
from synthvlm.sql.compatibility import knows, note, noted
from synthvlm.sql.settings import DatabaseSettings

VERSION_TABLE = "alembic_version"
"""Where it is noted which migrations are applied, unless a schema has a table of its own for it."""

_RETRY_SECONDS = 2.0
_LOCK = 0x5D47A5E7
"""Number of the PostgreSQL advisory lock that is held while the schema changes."""


R = TypeVar("R")


class _Job(Generic[R]):
    """Work that waits for its transaction, and what came of it."""

    def __init__(self, work: Callable[[Session], R]) -> None:
        self.work = work
        self.result: list[R] = []


class Database:
    """An open database; used from many threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._waiting: deque[_Job[Any]] = deque()
        self._turn = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end of the block, rolled back on an error.

        Raises:
            Unavailable: The database failed.
            DataCorrupt: Its file is damaged.
        """
        with database_errors(self.engine), self._sessions.begin() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that reads before it writes: in SQLite it holds the write lock throughout.

        SQLite refuses to write, at once and however long it may wait, in a transaction that has
        read what another one has changed since.

        Raises:
            As ``session``.
        """
        with self.session() as session:
            if self.engine.dialect.name == "sqlite":
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield session

    def write(self, work: Callable[[Session], R]) -> R:
        """What ``work`` gives, in a transaction that is committed when this returns.

        SQLite has one writer, who waits for the disk at each commit. There, what arrives meanwhile
        shares the next transaction: a hundred writes take one wait instead of a hundred.

        Args:
            work: Reads and writes. Is run again, alone, if another of its transaction fails, so it
                must change nothing but the database.

        Raises:
            Exception: What ``work`` raises; then it has changed nothing.
            Unavailable: As ``session``, and so the others.
        """
        if self.engine.dialect.name != "sqlite":
            with self.session() as session:
                return work(session)
        job = _Job(work)
        self._waiting.append(job)
        with self._turn:
            # Whoever has the turn works for all that wait; the others find it done.
            if not job.result:
                jobs = [self._waiting.popleft() for _ in range(len(self._waiting))]
                try:
                    self._together(jobs)
                except Exception:
                    if len(jobs) == 1:
                        raise
                    self._waiting.extendleft(one for one in jobs if one is not job)
                    self._together([job])
        return job.result[0]

    def _together(self, jobs: list[_Job[Any]]) -> None:
        with self.writing() as session:
            results = [job.work(session) for job in jobs]
        for job, result in zip(jobs, results, strict=True):
            job.result.append(result)

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()


def open_database(
    settings: DatabaseSettings, migrations: str, version_table: str = VERSION_TABLE
) -> Database:
    """Connects to a database and brings its schema up to date.

    Args:
        settings: The database, and how to connect to it.
        migrations: The service's migrations folder: a path, or ``package:folder``.
        version_table: Table that notes which of them are applied. Schemas that may share a database
            have one each.

    Raises:
        Unavailable: The database cannot be reached.
        DataCorrupt: Its file is damaged, or not a database.
        PreconditionFailed: The password's file cannot be read, or the schema is not one that this
            version knows.
    """
    url = make_url(settings.database)
    timeout = settings.database_timeout_seconds
    options: dict[str, Any] = {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_pool_overflow,
        "pool_timeout": timeout,
    }
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": timeout}, **options)
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        if settings.database_password_file is not None:
            url = url.set(password=_secret(settings.database_password_file))
        url = url.set(drivername="postgresql+psycopg")
        connect = {
            "connect_timeout": max(1, round(timeout)),
            "options": f"-c lock_timeout={round(timeout * 1000)}",
        }
        # Replaces a connection that the server has closed before it is used.
        engine = create_engine(url, connect_args=connect, pool_pre_ping=True, **options)
    with database_errors(engine):
        migrate(engine, migrations, version_table)
    return Database(engine)


def migrate(engine: Engine, migrations: str, version_table: str = VERSION_TABLE) -> None:
    """Applies pending migrations; safe to call from many processes at once.

    A newer schema stays as it is if it serves this version.

    Raises:
        PreconditionFailed: It does not.
    """
    config = Config()
    config.set_main_option("script_location", "synthvlm.sql:migrations")
    config.set_main_option("version_locations", migrations)
    # Separates folders, whatever characters their paths contain.
    config.set_main_option("path_separator", "newline")
    scripts = ScriptDirectory.from_config(config)
    with _schema_lock(engine), engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Its driver begins no transaction for changes of the schema by itself, so that a full
            # disk or a kill would leave half of them.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        context = MigrationContext.configure(connection, opts={"version_table": version_table})
        current = context.get_current_revision()
        if not knows(scripts, current):
            serves = noted(connection, version_table)
            if serves is None or not knows(scripts, serves):
                raise PreconditionFailed(
                    f"the database's schema ({current}) is unknown to this version, and does not "
                    f"serve it; use the version that made it, or a later one"
                )
            return
        config.attributes |= {"connection": connection, "version_table": version_table}
        command.upgrade(config, "head")
        note(connection, version_table, scripts)


@contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turns failures of the database itself into errors of the domain.

    Raises:
        Unavailable: It cannot be reached, or is busy.
        OutOfSpace: Its disk is full.
        DataCorrupt: Its file is damaged, or not a database.
    """
    try:
        yield
    except OperationalError as error:
        raise _unavailable(engine, error) from error
    except DBAPIError as error:
        if type(error.orig) is sqlite3.DatabaseError:  # what SQLite says of a damaged file
            raise DataCorrupt(
                f"the database is damaged, or not one ({error.orig}); restore its file, or move it "
                f"away and have a new one made"
            ) from error
        if not error.connection_invalidated:
            raise
        raise _unavailable(engine, error) from error


def _unavailable(engine: Engine, error: DBAPIError) -> Unavailable | OutOfSpace:
    reason = str(error.orig).strip().partition("\n")[0]
    if says_disk_is_full(reason):
        if engine.dialect.name == "sqlite":
            return OutOfSpace(full_disk_text(Path(str(engine.url.database))))
        return OutOfSpace(f"no space left for the database: {reason}")
    return Unavailable(f"the database failed: {reason}", _RETRY_SECONDS)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # Allows readers beside one writer; waiting is bounded by the connection's timeout.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


@contextmanager
def _schema_lock(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as connection:
        _advisory(connection, "pg_advisory_lock")
        try:
            yield
        finally:
            _advisory(connection, "pg_advisory_unlock")


def _advisory(connection: Connection, function: str) -> None:
    connection.execute(text(f"SELECT {function}(:key)"), {"key": _LOCK})


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PreconditionFailed(f"database_password_file {path} cannot be read") from error
