"""Runs migrations on the connection that ``synthvlm.sql.database.migrate`` hands over."""

from alembic import context

from synthvlm.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    # Only for the names of constraints.
    target_metadata=metadata(),
    version_table=context.config.attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()
