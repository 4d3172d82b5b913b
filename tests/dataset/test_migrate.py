"""The command that brings the catalogue's schema up to date."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect


def migrate(database: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synthvlm.dataset.migrate", "--database", database]
    return subprocess.run(
        [*command, "--database-timeout-seconds", "1"], capture_output=True, text=True, check=False
    )


def test_the_schema_is_made_and_stays(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/catalogue.sqlite"
    for _ in range(2):
        assert migrate(database).returncode == 0
    engine = create_engine(database)
    assert "alembic_version" in inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.parametrize(
    ("database", "status", "reason"),
    [
        ("mysql://host/name", 2, "mysql is not supported"),
        ("postgresql://user@127.0.0.1:1/name", 1, "database failed"),
    ],
)
def test_what_cannot_be_migrated_is_said(database: str, status: int, reason: str) -> None:
    done = migrate(database)
    assert done.returncode == status
    assert reason in done.stderr
