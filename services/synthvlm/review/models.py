"""The tables of human review, for SQLite and PostgreSQL.

A campaign draws a sample of a Selection; each sampled pair should get a number of verdicts, each
from a different reviewer. Counts and agreement are not stored: they follow from the verdicts.
"""

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from synthvlm.sql.tables import metadata

MAX_SAMPLE = 100_000
"""Maximum number of pairs in a campaign."""

MAX_VERDICTS_PER_PAIR = 20
"""Maximum number of verdicts that a campaign can ask for per pair."""

RATINGS = range(1, 6)
"""Ratings, from 1 (worst) to 5 (best)."""


class CampaignState(IntEnum):
    """States of a campaign, with the proto's numbers."""

    OPEN = 1
    FINISHED = 2


class Base(DeclarativeBase):
    """Base of the tables of human review."""

    metadata = metadata()


class Campaign(Base):
    """A sample of a Selection that people rate."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint(f"sample_size BETWEEN 1 AND {MAX_SAMPLE}", "sample_size"),
        CheckConstraint(
            f"verdicts_per_pair BETWEEN 1 AND {MAX_VERDICTS_PER_PAIR}", "verdicts_per_pair"
        ),
        CheckConstraint(f"state IN ({', '.join(str(int(s)) for s in CampaignState)})", "state"),
    )

    campaign_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    """Shown to reviewers."""
    store_uri: Mapped[str] = mapped_column(String(2048))
    """Root of the store that holds the Selection."""
    selection_path: Mapped[str] = mapped_column(String(512))
    selection_digest: Mapped[str] = mapped_column(String(71))
    selection_records: Mapped[int] = mapped_column(BigInteger)
    sample_size: Mapped[int] = mapped_column(Integer)
    """Pairs drawn: fewer than requested if the Selection is smaller."""
    verdicts_per_pair: Mapped[int] = mapped_column(Integer)
    seed: Mapped[int] = mapped_column(BigInteger)
    """Seed of the sample."""
    state: Mapped[int] = mapped_column(Integer, default=int(CampaignState.OPEN))
    """A value of ``CampaignState``."""
    create_time: Mapped[int] = mapped_column(BigInteger)
    """In seconds since the Unix epoch."""
    request_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Id of the call that created it, by which a repeated call finds it."""
    review_set_path: Mapped[str | None] = mapped_column(String(512))
    """The committed ReviewSet, once finished."""
    review_set_digest: Mapped[str | None] = mapped_column(String(71))
    review_set_records: Mapped[int | None] = mapped_column(BigInteger)

    pairs: Mapped[list["SampledPair"]] = relationship(
        back_populates="campaign", order_by="SampledPair.position", passive_deletes=True
    )


class SampledPair(Base):
    """A pair of a campaign's sample, with what a reviewer is shown and where its image is."""

    __tablename__ = "sampled_pair"
    __table_args__ = (UniqueConstraint("campaign_id", "position"),)

    campaign_id: Mapped[str] = mapped_column(
        ForeignKey("campaign.campaign_id", ondelete="CASCADE"), primary_key=True
    )
    image_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    """Position in the order of drawing, from 0."""
    caption_id: Mapped[str] = mapped_column(String(128))
    caption: Mapped[str] = mapped_column(String)
    media_type: Mapped[str] = mapped_column(String(32))
    image_set_path: Mapped[str] = mapped_column(String(512))
    """The ImageSet whose ``images.tar`` holds the image."""
    image_offset: Mapped[int] = mapped_column(BigInteger)
    image_size: Mapped[int] = mapped_column(BigInteger)
    image_sha256: Mapped[str] = mapped_column(String(71))
    clip_score: Mapped[float] = mapped_column(Float)
    ssim_score: Mapped[float] = mapped_column(Float)
    weighted_score: Mapped[float] = mapped_column(Float)

    campaign: Mapped[Campaign] = relationship(back_populates="pairs")
    assignments: Mapped[list["Assignment"]] = relationship(passive_deletes=True)
    verdicts: Mapped[list["Verdict"]] = relationship(passive_deletes=True)


class Assignment(Base):
    """A pair assigned to a reviewer, so that no more reviewers than needed work on it at once."""

    __tablename__ = "assignment"
    __table_args__ = (
        ForeignKeyConstraint(
            ["campaign_id", "image_id"],
            ["sampled_pair.campaign_id", "sampled_pair.image_id"],
            ondelete="CASCADE",
        ),
        Index(None, "campaign_id", "reviewer"),
    )

    campaign_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    image_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(64), primary_key=True)
    assign_time: Mapped[int] = mapped_column(BigInteger)
    """In seconds since the Unix epoch: an old assignment without a verdict can be reassigned."""


class Verdict(Base):
    """A reviewer's verdict on a pair; a newer one replaces it."""

    __tablename__ = "verdict"
    __table_args__ = (
        ForeignKeyConstraint(
            ["campaign_id", "image_id"],
            ["sampled_pair.campaign_id", "sampled_pair.image_id"],
            ondelete="CASCADE",
        ),
        CheckConstraint(f"alignment BETWEEN {RATINGS[0]} AND {RATINGS[-1]}", "alignment"),
        CheckConstraint(f"quality BETWEEN {RATINGS[0]} AND {RATINGS[-1]}", "quality"),
        Index(None, "campaign_id", "reviewer"),
    )

    campaign_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    image_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(64), primary_key=True)
    alignment: Mapped[int] = mapped_column(Integer)
    """How well the image matches the caption, one of ``RATINGS``."""
    quality: Mapped[int] = mapped_column(Integer)
    """How good the image is on its own, one of ``RATINGS``."""
    accept: Mapped[bool] = mapped_column(Boolean)
    """Whether the pair should stay in the dataset."""
    comment: Mapped[str] = mapped_column(String(2000), default="")
    submit_time: Mapped[int] = mapped_column(BigInteger)
    """In seconds since the Unix epoch."""
    request_id: Mapped[str | None] = mapped_column(String(64))
    """Id of the call that submitted it."""
