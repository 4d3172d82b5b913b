"""Runs migrations on the connection that ``synthvlm.dataset.database.migrate`` hands over."""

from alembic import context

from synthvlm.dataset.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite changes a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
