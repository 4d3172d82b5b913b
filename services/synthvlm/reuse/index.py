"""The index in a database: SQLite on one machine, PostgreSQL for many."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

from synthvlm.reuse.migrations import MIGRATIONS, VERSION_TABLE
from synthvlm.reuse.models import MadeImage, MadeObject, MadeScore
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.sql.database import Database, open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage.made import NOTHING, Blob, Made, MadeIndex

BATCH = 1000
"""Rows read or written by one statement."""

M = TypeVar("M", MadeImage, MadeScore)
_PREFIX = "sha256:"


class SqlIndex(ABC, Generic[M]):
    """Records of one kind, one row each; used from many threads and processes.

    Two that make the same record at once enter the same values; where they lie in different
    objects, the last one is remembered, and either would do.
    """

    table: type[M]

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def find(self, identities: Sequence[bytes]) -> dict[bytes, Made]:
        """The records that are known, by identity.

        Raises:
            Unavailable: The database failed.
        """
        found: dict[bytes, Made] = {}
        for batch in _cut(identities):
            query = self._query().where(self.table.identity.in_(batch))
            with self._database.session() as session:
                found |= {row.identity: self._made(row) for row in session.execute(query)}
        return found

    def enter(self, made: Mapping[bytes, Made]) -> None:
        """Enters records; where one is known already, the new place replaces the old one.

        Raises:
            Unavailable: The database failed.
        """
        # In one order everywhere, so that two who enter the same records do not block each other.
        for batch in _cut(sorted(made.items(), key=lambda entry: entry[0])):
            with self._database.session() as session:
                _upsert(session, self.table, self._rows(session, dict(batch)), ["identity"])

    @abstractmethod
    def _query(self) -> Select[Any]:
        """Selects ``identity`` and what ``_made`` needs."""

    @abstractmethod
    def _made(self, row: Any) -> Made:
        """The record of a row."""

    @abstractmethod
    def _rows(self, session: Session, made: Mapping[bytes, Made]) -> list[dict[str, Any]]:
        """The rows of records."""


class ImageIndex(SqlIndex[MadeImage]):
    """Where images lie."""

    table = MadeImage

    def _query(self) -> Select[Any]:
        place = MadeObject.id == MadeImage.object_id
        return select(MadeImage.__table__, MadeObject.path).outerjoin(MadeObject, place)

    def _made(self, row: Any) -> Made:
        values = {name: getattr(row, name) for name in ("width", "height", "truncated", "defect")}
        if row.path is None:
            return Made(values)
        return Made(values, Blob(row.path, row.offset, row.size, f"{_PREFIX}{row.sha256.hex()}"))

    def _rows(self, session: Session, made: Mapping[bytes, Made]) -> list[dict[str, Any]]:
        paths = {one.blob.path for one in made.values() if one.blob is not None}
        objects = _object_ids(session, sorted(paths))
        rows = []
        for identity, one in made.items():
            row = {**one.values, "identity": identity}
            blob = one.blob
            row |= {
                "object_id": None if blob is None else objects[blob.path],
                "offset": None if blob is None else blob.offset,
                "size": None if blob is None else blob.size,
                "sha256": (
                    None if blob is None else bytes.fromhex(blob.sha256.removeprefix(_PREFIX))
                ),
            }
            rows.append(row)
        return rows


class ScoreIndex(SqlIndex[MadeScore]):
    """The scores of pairs."""

    table = MadeScore

    def _query(self) -> Select[Any]:
        return select(MadeScore.__table__)

    def _made(self, row: Any) -> Made:
        return Made({name: getattr(row, name) for name in ("clip_score", "ssim_score", "reason")})

    def _rows(self, session: Session, made: Mapping[bytes, Made]) -> list[dict[str, Any]]:
        del session
        return [{**one.values, "identity": identity} for identity, one in made.items()]


def open_index(kind: Callable[[Database], MadeIndex], settings: ReuseSettings) -> MadeIndex:
    """Opens the index that the settings name, its schema up to date.

    Args:
        kind: ``ImageIndex`` or ``ScoreIndex``.
        settings: Where it is.

    Returns:
        The index; one that knows nothing where the settings name none.

    Raises:
        Unavailable: The database cannot be reached.
        PreconditionFailed: The password's file cannot be read.
    """
    if settings.database is None:
        return NOTHING
    database = DatabaseSettings(**settings.model_dump())
    return kind(open_database(database, MIGRATIONS, VERSION_TABLE))


def _object_ids(session: Session, paths: Sequence[str]) -> dict[str, int]:
    if not paths:
        return {}
    # The first statement writes: a transaction of SQLite that has read cannot wait for a writer.
    _upsert(session, MadeObject, [{"path": path} for path in paths], ["path"])
    query = select(MadeObject.path, MadeObject.id).where(MadeObject.path.in_(paths))
    return {row.path: row.id for row in session.execute(query)}


def _upsert(
    session: Session, table: type[DeclarativeBase], rows: list[dict[str, Any]], key: list[str]
) -> None:
    """Inserts rows; those whose key is there are replaced."""
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table.__table__)
    values = {name: statement.excluded[name] for name in rows[0] if name not in key}
    if values:
        statement = statement.on_conflict_do_update(index_elements=key, set_=values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    session.execute(statement, rows)


def _cut(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
