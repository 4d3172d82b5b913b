"""A service's first migration."""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
serves = "r0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_note"),
        sa.UniqueConstraint("text", name="uq_note_text"),
    )


def downgrade():
    op.drop_table("note")
