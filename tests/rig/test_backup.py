"""Copies of a real database and store, made and brought back by the commands of backup.md.

What a command runs in a pod is run here, with the paths of the pod mapped to folders of the test.
"""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.catalogue import Catalogue, Entry
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.provenance import Maker
from synthvlm.dataset.publication import publish
from synthvlm.dataset.selection import select
from synthvlm.dataset.service import open_catalogue
from synthvlm.progress import SILENT
from synthvlm.storage import Store, file_location, file_uri, open_store
from tests import postgres
from tests.dataset.shards import run_of
from tests.review.campaign import ANN, OWNER, Room, review_database
from tests.rig.pages import Command, commands
from tests.service_process import clean_environment

MAKER = Maker(git_revision="0123abc", software_version="1")


@dataclass
class Installation:
    """A dataset service's state: ``data`` is the claim, ``database`` the URL."""

    data: Path
    database: str

    @property
    def store(self) -> Store:
        return open_store(file_location(self.data / "store"))

    def catalogue(self) -> Catalogue:
        return open_catalogue(DatasetSettings(database=self.database))

    def versions(self) -> list[Entry]:
        opened = self.catalogue()
        try:
            return opened.versions()
        finally:
            opened.close()

    def run(self, command: Command, folder: Path) -> str:
        """Runs what the command runs in a pod; redirections are those of the command."""
        settings = {"database": self.database, "store_roots": [file_uri(self.data / "store")]}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        text = command.executed.replace("/etc/synthvlm", str(folder))
        text = text.replace("python3", sys.executable).replace("/data", str(self.data))
        if "postgresql" in command.line:
            name = psycopg.conninfo.conninfo_to_dict(self.database)
            binaries = postgres.binaries()
            text = f"{binaries}/{text}".replace("--username synthvlm", "--username postgres")
            text = f"PGHOST={shlex.quote(str(name['host']))} {text}"
            text = re.sub(r"(custom|dbname) synthvlm", rf"\1 {name['dbname']}", text)
        done = subprocess.run(
            ["bash", "-c", text], cwd=folder, env=clean_environment(), text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        return done.stdout


def filled(installation: Installation) -> list[Entry]:
    """Three versions, in store and catalogue."""
    catalogue = installation.catalogue()
    chains = run_of(installation.store)
    for best in (3, 5, 4):
        made = select(installation.store, chains, SelectionRule(top_k=best), SILENT)
        catalogue.enter_index(made.index, installation.store.uri)
        request = AssemblyRequest(made.ref, "shapes", 4)
        publish(
            catalogue, installation.store, "shapes", assemble(installation.store, request, SILENT),
            MAKER,
        )  # fmt: skip
    found = catalogue.versions()
    catalogue.close()
    assert len(found) == 3
    return found


def of(text: str) -> Command:
    """The only command of the page with ``text``."""
    (found,) = (one for one in commands("backup.md") if text in one.line)
    return found


@pytest.fixture
def new_database(postgres_server: str):
    names: list[str] = []

    def make() -> str:
        names.append(f"backup_{len(names)}")
        with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {names[-1]}")
            connection.execute(f"CREATE DATABASE {names[-1]}")
        return postgres_server.format(names[-1])

    return make


def test_a_lost_installation_comes_back_with_its_verdicts(new_database, tmp_path: Path) -> None:
    here = Installation(tmp_path / "data", new_database())
    versions = filled(here)
    chains = run_of(here.store)
    source = select(here.store, chains, SelectionRule(None, 1.0), SILENT).ref
    room = Room(here.store, source, review_database(here.database))
    campaign = room.campaign(sample_size=4, verdicts_per_pair=1).campaign_id
    room.judge(ANN, campaign, count=3)
    room.reviews.close()

    here.run(of("pg_dump"), tmp_path)
    here.run(of("tar --create"), tmp_path)

    there = Installation(tmp_path / "other", new_database())
    there.data.mkdir()
    there.catalogue().close()  # the hook has migrated the new database
    there.run(of("tar --extract"), tmp_path)
    there.run(of("pg_restore"), tmp_path)
    assert [one.label for one in there.versions()] == [one.label for one in versions]
    again = Room(there.store, source, review_database(there.database))
    assert again.reviews.progress(OWNER, campaign).complete_pairs == 3
    again.reviews.close()


def test_a_lost_catalogue_is_filled_again_from_the_store_alone(
    new_database, tmp_path: Path
) -> None:
    here = Installation(tmp_path / "data", new_database())
    before = filled(here)
    here.database = new_database()
    assert here.versions() == []
    here.run(of("synthvlm.dataset.reindex"), tmp_path)
    after = here.versions()
    assert [(one.label, one.ref, one.provenance) for one in after] == [
        (one.label, one.ref, one.provenance) for one in before
    ]


def test_a_copy_of_sqlite_is_whole(tmp_path: Path) -> None:
    here = Installation(tmp_path / "data", f"sqlite:///{tmp_path}/data/catalogue.sqlite")
    before = filled(here)
    for text in ("VACUUM INTO", "cat /data", "rm /data"):
        here.run(of(text), tmp_path)
    copy = Installation(here.data, f"sqlite:///{tmp_path}/catalogue.sqlite")
    assert copy.versions() == before
    assert not (here.data / "copy.sqlite").exists()
