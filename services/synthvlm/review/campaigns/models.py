"""The tables of human verification, for SQLite and PostgreSQL.

What people said is only ever added to: a verdict that is changed or taken back is a further row,
and an assignment points to the row that stands. Counts, agreement and truth rates are not stored:
they follow from the verdicts.
"""

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from synthvlm.review.people import NAME_LENGTH
from synthvlm.review.verdicts import Alignment, Preference, Side
from synthvlm.sql.tables import ROW_ID, metadata


class CampaignState(IntEnum):
    """States of a campaign, with the proto's numbers."""

    DRAFT = 1
    OPEN = 2
    CLOSED = 3
    FINISHED = 4


class AssignmentState(IntEnum):
    """States of an assignment."""

    FREE = 1
    """Wanted, and nobody's yet."""
    LEASED = 2
    """Somebody's until it expires; after that somebody else may take it."""
    DONE = 3
    """Judged."""
    SKIPPED = 4
    """Given back by its annotator, who is not asked again."""
    LOST = 5
    """Expired and taken by somebody else; a verdict that comes late is still recorded."""


def _one_of(column: str, values: type[IntEnum]) -> CheckConstraint:
    """Restricts a column to the values of an enum; a null passes."""
    return CheckConstraint(f"{column} IN ({', '.join(str(int(v)) for v in values)})", column)


class Base(DeclarativeBase):
    """Base of the tables of human verification."""

    metadata = metadata()


class Campaign(Base):
    """A sample of a Selection or a dataset version that people judge."""

    __tablename__ = "campaign"
    __table_args__ = (_one_of("state", CampaignState),)

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(String(32), unique=True)
    """How callers name it: random, so that it cannot be guessed."""
    state: Mapped[int] = mapped_column(Integer)
    design: Mapped[str] = mapped_column(String)
    """The ``CampaignDesign`` as JSON."""
    store_uri: Mapped[str] = mapped_column(String(2048))
    """Root of the store that holds the source."""
    source_path: Mapped[str] = mapped_column(String(512))
    source_digest: Mapped[str] = mapped_column(String(71))
    source_records: Mapped[int] = mapped_column(BigInteger)
    compared_path: Mapped[str | None] = mapped_column(String(512))
    compared_digest: Mapped[str | None] = mapped_column(String(71))
    compared_records: Mapped[int | None] = mapped_column(BigInteger)
    pairs: Mapped[int] = mapped_column(Integer)
    """Pairs drawn, without gold questions."""
    wanted: Mapped[int] = mapped_column(Integer)
    """Verdicts wanted, without those on gold questions."""
    mean_score: Mapped[float | None] = mapped_column(Double)
    """Mean weighted score of all pairs that the sample was drawn from; null: not scored."""
    create_time: Mapped[int] = mapped_column(BigInteger)
    """In seconds since the Unix epoch, as all times here."""
    request_id: Mapped[str | None] = mapped_column(String(NAME_LENGTH), unique=True)
    """Id of the call that created it, by which a repeated call finds it."""
    request_digest: Mapped[str] = mapped_column(String(71))
    """Digest of what that call asked for."""
    review_set_path: Mapped[str | None] = mapped_column(String(512))
    """The committed ReviewSet, once it is finished."""
    review_set_digest: Mapped[str | None] = mapped_column(String(71))
    review_set_records: Mapped[int | None] = mapped_column(BigInteger)


class Pair(Base):
    """A pair of a campaign, with what an annotator is shown: of the sample, or a gold question."""

    __tablename__ = "pair"
    __table_args__ = (
        UniqueConstraint("campaign", "position"),
        CheckConstraint("inclusion > 0 AND inclusion <= 1", "inclusion"),
        _one_of("expected", Alignment),
    )

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    campaign: Mapped[int] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    """Place in the order in which pairs are shown, from 0. Gold questions lie among the others."""
    image_id: Mapped[str] = mapped_column(String(128))
    caption_id: Mapped[str] = mapped_column(String(128))
    caption: Mapped[str] = mapped_column(String)
    """As shown: that of a gold question may be another one than the image's."""
    score: Mapped[float | None] = mapped_column(Double)
    """The weighted score; none in a source that was not scored."""
    stratum: Mapped[int] = mapped_column(Integer)
    """From 0; 0 in samples without strata."""
    inclusion: Mapped[float] = mapped_column(Double)
    """Probability with which the design draws this pair. 1 for gold questions."""
    expected: Mapped[int | None] = mapped_column(Integer)
    """The right answer to a gold question, an ``Alignment``; null for pairs of the sample."""
    mirrored: Mapped[bool]
    """Whether the source's image is shown on the right."""


class Picture(Base):
    """Where an image of a pair lies. ``side`` LEFT is the source's, RIGHT the compared one."""

    __tablename__ = "picture"
    __table_args__ = (_one_of("side", Side),)

    pair: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"), primary_key=True)
    side: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    image_id: Mapped[str] = mapped_column(String(128))
    path: Mapped[str] = mapped_column(String(1024))
    """The tar that holds it, below the store's root."""
    offset: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(71))
    media_type: Mapped[str] = mapped_column(String(32))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)


class Participant(Base):
    """Who takes part in a campaign; its row is locked while something is leased to them."""

    __tablename__ = "participant"

    campaign: Mapped[int] = mapped_column(
        ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    annotator: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    is_model: Mapped[bool]
    """Whether it is a model, whose verdicts count as nobody's."""
    leased: Mapped[int] = mapped_column(Integer)
    """Pairs leased to them so far: decides when the next gold question is due."""


class Assignment(Base):
    """A verdict that is wanted, leased or given: at most one of an annotator on a pair."""

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("pair", "annotator"),
        _one_of("state", AssignmentState),
        # For what is free in the order of the sample, what has expired, and what somebody holds.
        Index(None, "campaign", "state", "position", "id"),
        Index(None, "campaign", "state", "expires"),
        Index(None, "campaign", "annotator", "state"),
    )

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    campaign: Mapped[int] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    pair: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    """That of the pair."""
    state: Mapped[int] = mapped_column(Integer)
    wanted: Mapped[bool]
    """Whether it is one of the verdicts that the campaign wants; not so of gold questions, models,
    and verdicts that came late."""
    annotator: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """Null while it is free."""
    turn: Mapped[int | None] = mapped_column(Integer)
    """Place among everything that was leased to the annotator."""
    expires: Mapped[int | None] = mapped_column(BigInteger)
    """When the lease ends."""
    verdict: Mapped[int | None] = mapped_column(ForeignKey("verdict.id"))
    """The verdict that stands."""


class Verdict(Base):
    """An entry of an annotator; never changed and never deleted."""

    __tablename__ = "verdict"
    __table_args__ = (
        UniqueConstraint("campaign", "annotator", "request_id"),
        CheckConstraint("quality BETWEEN 1 AND 5", "quality"),
        _one_of("alignment", Alignment),
        _one_of("preference", Preference),
        Index(None, "pair", "annotator"),
    )

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    campaign: Mapped[int] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    pair: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    annotator: Mapped[str] = mapped_column(String(NAME_LENGTH))
    request_id: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """Made by the caller: an entry that is sent again is found by it."""
    retracted: Mapped[bool]
    """Whether this entry takes the verdict back."""
    alignment: Mapped[int | None] = mapped_column(Integer)
    reasons: Mapped[int] = mapped_column(Integer)
    """One bit for each ``Reason``."""
    quality: Mapped[int | None] = mapped_column(Integer)
    preference: Mapped[int | None] = mapped_column(Integer)
    """With the source on the left, wherever it was shown."""
    comment: Mapped[str] = mapped_column(String(2000))
    duration_ms: Mapped[int] = mapped_column(Integer)
    """How long the annotator looked at the pair; 0: unknown."""
    record_time: Mapped[int] = mapped_column(BigInteger)


class Adjudication(Base):
    """A decision on a pair; the last one stands."""

    __tablename__ = "adjudication"
    __table_args__ = (
        UniqueConstraint("campaign", "adjudicator", "request_id"),
        _one_of("alignment", Alignment),
        _one_of("preference", Preference),
        Index(None, "pair"),
    )

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    campaign: Mapped[int] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    pair: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    adjudicator: Mapped[str] = mapped_column(String(NAME_LENGTH))
    request_id: Mapped[str] = mapped_column(String(NAME_LENGTH))
    alignment: Mapped[int | None] = mapped_column(Integer)
    reasons: Mapped[int] = mapped_column(Integer)
    quality: Mapped[int | None] = mapped_column(Integer)
    preference: Mapped[int | None] = mapped_column(Integer)
    comment: Mapped[str] = mapped_column(String(2000))
    record_time: Mapped[int] = mapped_column(BigInteger)
