"""The catalogue: which versions exist, in what order, and where they are stored."""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from synthvlm.dataset.models import Dataset, ImageIndex, Version
from synthvlm.dataset.provenance import Maker, Provenance
from synthvlm.errors import NotFound
from synthvlm.sql.database import Database
from synthvlm.storage import ShardRef


@dataclass(frozen=True)
class Entry:
    """A version in the catalogue.

    Attributes:
        row: Position in the order of entry.
        name: Name of the dataset.
        ref: The version's shard; its digest is the version's identity.
        store_uri: Root of the store that holds it.
        bytes: Total size of its files.
        provenance: Its number, parent, time and maker.
    """

    row: int
    name: str
    ref: ShardRef
    store_uri: str
    bytes: int
    provenance: Provenance

    @property
    def label(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.provenance.number}"


@dataclass(frozen=True)
class IndexEntry:
    """An index of images in the catalogue: the shard, and the root of its store."""

    ref: ShardRef
    store_uri: str


class Catalogue:
    """Reads and writes the catalogue's database; used from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def enter(
        self,
        name: str,
        ref: ShardRef,
        store_uri: str,
        size: int,
        maker: Maker,
        known: Provenance | None = None,
    ) -> Entry:
        """Enters a version, or finds it entered.

        It gets the next number, and the newest version becomes its parent. A version has one row,
        whichever store it was last seen in.

        Args:
            name: Name of the dataset.
            ref: The version's shard.
            store_uri: Root of the store that holds it.
            size: Total size of its files in bytes.
            maker: The software that made it.
            known: Its provenance, if it was entered in a catalogue that has been lost; it is kept
                if its number is still free.
        """
        self._ensure_dataset(name)
        with self._database.session() as session:
            # The first statement writes: in both databases it waits here for concurrent calls.
            session.execute(update(Dataset).where(Dataset.name == name).values(name=name))
            version = session.scalar(select(Version).where(Version.digest == ref.digest))
            if version is not None:
                version.store_uri, version.path = store_uri, ref.path
                return _entry(version)
            dataset = session.get_one(Dataset, name, populate_existing=True)
            provenance = known
            if provenance is None or self._is_taken(session, name, provenance.number):
                parent = session.scalar(
                    select(Version.digest)
                    .where(Version.name == name)
                    .order_by(Version.number.desc())
                    .limit(1)
                )
                provenance = maker.provenance(dataset.latest + 1, parent)
            dataset.latest = max(dataset.latest, provenance.number)
            version = Version(
                name=name,
                number=provenance.number,
                digest=ref.digest,
                store_uri=store_uri,
                path=ref.path,
                pairs=ref.records,
                bytes=size,
                parent=provenance.parent,
                create_time=provenance.create_time,
                git_revision=provenance.git_revision,
                software_version=provenance.software_version,
            )
            session.add(version)
            session.flush()
            return _entry(version)

    def enter_index(self, ref: ShardRef, store_uri: str) -> None:
        """Enters an index of images, or finds it entered."""
        try:
            with self._database.session() as session:
                session.add(
                    ImageIndex(
                        digest=ref.digest,
                        store_uri=store_uri,
                        path=ref.path,
                        images=ref.records,
                    )
                )
        except IntegrityError:
            with self._database.session() as session:
                session.execute(
                    update(ImageIndex)
                    .where(ImageIndex.digest == ref.digest)
                    .values(store_uri=store_uri, path=ref.path)
                )

    def newest(self, name: str) -> Entry:
        """The version with the highest number.

        Raises:
            NotFound: There is no such dataset.
        """
        query = select(Version).where(Version.name == name).order_by(Version.number.desc())
        with self._database.session() as session:
            version = session.scalar(query.limit(1))
            if version is None:
                raise NotFound(f"there is no dataset {name!r}")
            return _entry(version)

    def numbered(self, name: str, number: int) -> Entry:
        """The version with a given number.

        Raises:
            NotFound: There is no such dataset or version.
        """
        query = select(Version).where(Version.name == name, Version.number == number)
        with self._database.session() as session:
            version = session.scalar(query)
        if version is None:
            newest = self.newest(name).provenance.number
            raise NotFound(f"the dataset {name!r} has no version {number}; the newest is {newest}")
        return _entry(version)

    def digested(self, name: str, prefix: str, limit: int) -> list[Entry]:
        """At most ``limit`` versions whose digest begins with ``prefix``, newest first."""
        query = (
            select(Version)
            .where(Version.name == name, Version.digest.startswith(prefix, autoescape=True))
            .order_by(Version.id.desc())
        )
        with self._database.session() as session:
            return [_entry(version) for version in session.scalars(query.limit(limit))]

    def page(self, name: str, before: int | None, size: int) -> list[Entry]:
        """One page of versions, newest entry first.

        Args:
            name: Only this dataset; empty: all.
            before: Only those entered before this row; None: from the newest.
            size: Maximum number of versions.
        """
        query = select(Version).order_by(Version.id.desc()).limit(size)
        if name:
            query = query.where(Version.name == name)
        if before is not None:
            query = query.where(Version.id < before)
        with self._database.session() as session:
            return [_entry(version) for version in session.scalars(query)]

    def versions(self) -> list[Entry]:
        """All versions, newest entry first."""
        with self._database.session() as session:
            query = select(Version).order_by(Version.id.desc())
            return [_entry(version) for version in session.scalars(query)]

    def indexes(self) -> list[IndexEntry]:
        """All indexes of images, newest entry first."""
        with self._database.session() as session:
            query = select(ImageIndex).order_by(ImageIndex.id.desc())
            return [
                IndexEntry(ShardRef(row.path, row.digest, row.images), row.store_uri)
                for row in session.scalars(query)
            ]

    def _ensure_dataset(self, name: str) -> None:
        try:
            with self._database.session() as session:
                if session.get(Dataset, name) is None:
                    session.add(Dataset(name=name, latest=0))
        except IntegrityError:
            return  # another process has just inserted the row

    @staticmethod
    def _is_taken(session: Session, name: str, number: int) -> bool:
        query = select(Version.id).where(Version.name == name, Version.number == number)
        return session.scalar(query) is not None


def _entry(version: Version) -> Entry:
    return Entry(
        row=version.id,
        name=version.name,
        ref=ShardRef(version.path, version.digest, version.pairs),
        store_uri=version.store_uri,
        bytes=version.bytes,
        provenance=Provenance(
            number=version.number,
            parent=version.parent,
            create_time=version.create_time,
            git_revision=version.git_revision,
            software_version=version.software_version,
        ),
    )
