"""The index's tables. Objects in the store are the truth; the index finds what is in them.

Paths are relative to the store's root, so an index stays right when its store is moved.
"""

from sqlalchemy import BigInteger, Double, LargeBinary, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from synthvlm.sql.tables import ROW_ID, metadata
from synthvlm.storage.made import IDENTITY_BYTES

_DIGEST = LargeBinary(IDENTITY_BYTES)
# Rows lie in the tree of the key itself: half the size, and one search instead of two.
_BY_KEY = {"sqlite_with_rowid": False}


class Base(DeclarativeBase):
    """Base of the index's tables."""

    metadata = metadata()


class MadeObject(Base):
    """An object of a store that images lie in: a shard's tar, or a part."""

    __tablename__ = "made_object"

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    path: Mapped[str] = mapped_column(String(512), unique=True)


class MadeImage(Base):
    """An image, or that there is none of this identity, and why."""

    __tablename__ = "made_image"
    __table_args__ = _BY_KEY

    identity: Mapped[bytes] = mapped_column(_DIGEST, primary_key=True)
    object_id: Mapped[int | None] = mapped_column(BigInteger)
    offset: Mapped[int | None] = mapped_column(BigInteger)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(_DIGEST)
    width: Mapped[int]
    height: Mapped[int]
    truncated: Mapped[bool]
    defect: Mapped[str | None] = mapped_column(String(64))


class MadeScore(Base):
    """The scores of a pair, or why it has none."""

    __tablename__ = "made_score"
    __table_args__ = _BY_KEY

    identity: Mapped[bytes] = mapped_column(_DIGEST, primary_key=True)
    clip_score: Mapped[float | None] = mapped_column(Double)
    ssim_score: Mapped[float | None] = mapped_column(Double)
    reason: Mapped[str | None] = mapped_column(String(64))
