"""The first index: objects, the images that lie in them, and scores."""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
serves = "r0001"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DIGEST = sa.LargeBinary(32)


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "made_object",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("path", sa.String(512), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_made_object"),
        sa.UniqueConstraint("path", name="uq_made_object_path"),
    )
    op.create_table(
        "made_image",
        sa.Column("identity", _DIGEST, nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", _DIGEST, nullable=True),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("defect", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("identity", name="pk_made_image"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "made_score",
        sa.Column("identity", _DIGEST, nullable=False),
        sa.Column("clip_score", sa.Double(), nullable=True),
        sa.Column("ssim_score", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("identity", name="pk_made_score"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drops the tables; the shards in the store are enough to fill them again."""
    for table in ("made_score", "made_image", "made_object"):
        op.drop_table(table)
