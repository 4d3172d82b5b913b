"""The first schema: campaigns with their pairs, who takes part, assignments and verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
serves = "r0001"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "campaign",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("campaign_id", sa.String(32), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("design", sa.String(), nullable=False),
        sa.Column("store_uri", sa.String(2048), nullable=False),
        sa.Column("source_path", sa.String(512), nullable=False),
        sa.Column("source_digest", sa.String(71), nullable=False),
        sa.Column("source_records", sa.BigInteger(), nullable=False),
        sa.Column("compared_path", sa.String(512), nullable=True),
        sa.Column("compared_digest", sa.String(71), nullable=True),
        sa.Column("compared_records", sa.BigInteger(), nullable=True),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("mean_score", sa.Double(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.Column("request_digest", sa.String(71), nullable=False),
        sa.Column("review_set_path", sa.String(512), nullable=True),
        sa.Column("review_set_digest", sa.String(71), nullable=True),
        sa.Column("review_set_records", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN (1, 2, 3, 4)", name="ck_campaign_state"),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
        sa.UniqueConstraint("campaign_id", name="uq_campaign_campaign_id"),
        sa.UniqueConstraint("request_id", name="uq_campaign_request_id"),
    )
    op.create_table(
        "pair",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("campaign", _ROW_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.String(128), nullable=False),
        sa.Column("caption_id", sa.String(128), nullable=False),
        sa.Column("caption", sa.String(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("inclusion", sa.Double(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("mirrored", sa.Boolean(), nullable=False),
        sa.CheckConstraint("expected IN (1, 2, 3)", name="ck_pair_expected"),
        sa.CheckConstraint("inclusion > 0 AND inclusion <= 1", name="ck_pair_inclusion"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaign.id"], name="fk_pair_campaign", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_pair"),
        sa.UniqueConstraint("campaign", "position", name="uq_pair_campaign_position"),
    )
    op.create_table(
        "participant",
        sa.Column("campaign", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("annotator", sa.String(64), nullable=False),
        sa.Column("is_model", sa.Boolean(), nullable=False),
        sa.Column("leased", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaign.id"], name="fk_participant_campaign", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign", "annotator", name="pk_participant"),
    )
    op.create_table(
        "adjudication",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("campaign", _ROW_ID, nullable=False),
        sa.Column("pair", _ROW_ID, nullable=False),
        sa.Column("adjudicator", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("alignment", sa.Integer(), nullable=True),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=True),
        sa.Column("preference", sa.Integer(), nullable=True),
        sa.Column("comment", sa.String(2000), nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("alignment IN (1, 2, 3)", name="ck_adjudication_alignment"),
        sa.CheckConstraint("preference IN (1, 2, 3)", name="ck_adjudication_preference"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaign.id"], name="fk_adjudication_campaign", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["pair"], ["pair.id"], name="fk_adjudication_pair", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_adjudication"),
        sa.UniqueConstraint(
            "campaign",
            "adjudicator",
            "request_id",
            name="uq_adjudication_campaign_adjudicator_request_id",
        ),
    )
    op.create_index("ix_adjudication_pair", "adjudication", ["pair"], unique=False)
    op.create_table(
        "picture",
        sa.Column("pair", _ROW_ID, nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.String(128), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(71), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.CheckConstraint("side IN (1, 2)", name="ck_picture_side"),
        sa.ForeignKeyConstraint(["pair"], ["pair.id"], name="fk_picture_pair", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pair", "side", name="pk_picture"),
    )
    op.create_table(
        "verdict",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("campaign", _ROW_ID, nullable=False),
        sa.Column("pair", _ROW_ID, nullable=False),
        sa.Column("annotator", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("retracted", sa.Boolean(), nullable=False),
        sa.Column("alignment", sa.Integer(), nullable=True),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=True),
        sa.Column("preference", sa.Integer(), nullable=True),
        sa.Column("comment", sa.String(2000), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("alignment IN (1, 2, 3)", name="ck_verdict_alignment"),
        sa.CheckConstraint("preference IN (1, 2, 3)", name="ck_verdict_preference"),
        sa.CheckConstraint("quality BETWEEN 1 AND 5", name="ck_verdict_quality"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaign.id"], name="fk_verdict_campaign", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["pair"], ["pair.id"], name="fk_verdict_pair", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_verdict"),
        sa.UniqueConstraint(
            "campaign", "annotator", "request_id", name="uq_verdict_campaign_annotator_request_id"
        ),
    )
    op.create_index("ix_verdict_pair_annotator", "verdict", ["pair", "annotator"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("campaign", _ROW_ID, nullable=False),
        sa.Column("pair", _ROW_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("annotator", sa.String(64), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("verdict", _ROW_ID, nullable=True),
        sa.CheckConstraint("state IN (1, 2, 3, 4, 5)", name="ck_assignment_state"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaign.id"], name="fk_assignment_campaign", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["pair"], ["pair.id"], name="fk_assignment_pair", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["verdict"], ["verdict.id"], name="fk_assignment_verdict"),
        sa.PrimaryKeyConstraint("id", name="pk_assignment"),
        sa.UniqueConstraint("pair", "annotator", name="uq_assignment_pair_annotator"),
    )
    op.create_index(
        "ix_assignment_campaign_annotator_state",
        "assignment",
        ["campaign", "annotator", "state"],
        unique=False,
    )
    op.create_index(
        "ix_assignment_campaign_state_expires",
        "assignment",
        ["campaign", "state", "expires"],
        unique=False,
    )
    op.create_index(
        "ix_assignment_campaign_state_position_id",
        "assignment",
        ["campaign", "state", "position", "id"],
        unique=False,
    )


def downgrade() -> None:
    """Drops the tables, and with them every verdict that is not in a ReviewSet."""
    tables = ("assignment", "adjudication", "verdict", "participant", "picture", "pair", "campaign")
    for table in tables:
        op.drop_table(table)
