"""Which versions of the software may use a schema, so that two of them can work side by side.

During an upgrade, pods of the version before work with the new schema, and start on it too. Every
migration therefore says in ``serves`` the oldest revision whose software can use the schema that it
leaves. One that only adds (*expand*) serves whatever its predecessor served; one that takes away
what an earlier version still used (*contract*) serves its predecessor and nothing older. The
database notes it beside its revision, for software that does not know the migration.
"""

from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

SUFFIX = "_serves"
"""What the table with the note is called, after the table with the revision."""


def knows(scripts: ScriptDirectory, revision: str | None) -> bool:
    """Whether this software has the migration ``revision``; an empty database is known."""
    return revision is None or revision in {one.revision for one in scripts.walk_revisions()}


def noted(connection: Connection, version_table: str) -> str | None:
    """The oldest revision that the database's schema serves; ``None``: it does not say."""
    table = _table(version_table)
    if not inspect(connection).has_table(table.name):
        return None
    return connection.scalars(select(table.c.revision)).one_or_none()


def note(connection: Connection, version_table: str, scripts: ScriptDirectory) -> None:
    """Notes what the newest migration of this software serves."""
    head = scripts.get_revision("head")
    serves: str = head.module.serves
    if noted(connection, version_table) == serves:
        return
    table = _table(version_table)
    table.create(connection, checkfirst=True)
    connection.execute(table.delete())
    connection.execute(table.insert().values(revision=serves))


def _table(version_table: str) -> Table:
    revision = Column("revision", String(32), nullable=False)
    return Table(f"{version_table}{SUFFIX}", MetaData(), revision)
