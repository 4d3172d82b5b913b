"""The catalogue's tables: an index of the store's manifests, which are authoritative."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from synthvlm.sql.tables import ROW_ID, metadata


class Base(DeclarativeBase):
    """Base of the catalogue's tables."""

    metadata = metadata()


class Dataset(Base):
    """A dataset's name; its row is locked while a version is given its number."""

    __tablename__ = "dataset"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    latest: Mapped[int] = mapped_column(Integer)
    """Highest version number; 0 if there is no version."""


class Version(Base):
    """A version of a dataset, and its provenance."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("name", "number"),)

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    name: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    number: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(71), unique=True)
    """Digest of the manifest: the identity."""
    store_uri: Mapped[str] = mapped_column(String(2048))
    path: Mapped[str] = mapped_column(String(512))
    pairs: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    parent: Mapped[str | None] = mapped_column(String(71))
    """Digest of the version that was the newest when this one was entered."""
    create_time: Mapped[int] = mapped_column(BigInteger)
    """When it was first entered, in seconds since the Unix epoch."""
    git_revision: Mapped[str] = mapped_column(String(64))
    """Revision of the code that made it; empty if unknown."""
    software_version: Mapped[str] = mapped_column(String(64))


class ImageIndex(Base):
    """An index of all images of a run, selected or not."""

    __tablename__ = "image_index"

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), unique=True)
    store_uri: Mapped[str] = mapped_column(String(2048))
    path: Mapped[str] = mapped_column(String(512))
    images: Mapped[int] = mapped_column(BigInteger)
