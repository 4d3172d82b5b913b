"""Schemas for tests: what is in a database, and migrations that come after ours."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from synthvlm.sql.compatibility import SUFFIX
from synthvlm.sql.database import VERSION_TABLE, Database

NEXT = '''\
"""What a later version changes."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
serves = "{serves}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """{does}."""
    {change}
'''


def differences(
    database: Database, metadata: MetaData, version_table: str = VERSION_TABLE
) -> list[Any]:
    """What the database has otherwise than ``metadata``, besides what is noted of its version."""

    def counts(name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and name == f"{version_table}{SUFFIX}")

    options = {"compare_type": True, "version_table": version_table, "include_name": counts}
    with database.engine.connect() as connection:
        found: list[Any] = compare_metadata(
            MigrationContext.configure(connection, opts=options), metadata
        )
    return found


def later(migrations: str, folder: Path, number: int, serves: int, change: str) -> str:
    """The migrations with one more, written into ``folder``, as ``open_database`` takes them."""
    text = NEXT.format(
        revision=f"r{number:04}",
        before=f"r{number - 1:04}",
        serves=f"r{serves:04}",
        does=change.partition("(")[0],
        change=change,
    )
    folder.mkdir(exist_ok=True)
    (folder / f"r{number:04}_later.py").write_text(text, encoding="utf-8")
    return f"{migrations}\n{folder}"
