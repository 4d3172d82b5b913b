"""The first catalogue: datasets, versions, and indexes of images."""

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
        "dataset",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_dataset"),
    )
    op.create_table(
        "version",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("store_uri", sa.String(2048), nullable=False),
        sa.Column("path", sa.String(512), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.String(71), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("git_revision", sa.String(64), nullable=False),
        sa.Column("software_version", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
        sa.ForeignKeyConstraint(["name"], ["dataset.name"], name="fk_version_name"),
        sa.UniqueConstraint("name", "number", name="uq_version_name_number"),
        sa.UniqueConstraint("digest", name="uq_version_digest"),
    )
    op.create_table(
        "image_index",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("store_uri", sa.String(2048), nullable=False),
        sa.Column("path", sa.String(512), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_image_index"),
        sa.UniqueConstraint("digest", name="uq_image_index_digest"),
    )


def downgrade() -> None:
    """Drops the tables; they can be restored from the store's manifests."""
    for table in ("image_index", "version", "dataset"):
        op.drop_table(table)
