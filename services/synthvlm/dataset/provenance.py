"""A version's provenance: its history, when it was made, and by which software.

None of this is part of the digest: the same pairs made again, elsewhere or later, are the same
version. `provenance.json` is stored beside the manifest so that a lost catalogue can be rebuilt.
"""

import subprocess
import time
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import synthvlm
from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage import Store, canonical_json
from synthvlm.storage.digests import sealed, unsealed

PROVENANCE = "provenance.json"
"""Name of the file within a version's folder."""

_GIT_SECONDS = 10


class Provenance(BaseModel):
    """The history of a version.

    Attributes:
        number: The version's number.
        parent: Digest of the version before it; None for the first.
        create_time: When it was first entered in a catalogue, in seconds since the Unix epoch.
        git_revision: Revision of the code that made it; empty if unknown.
        software_version: Version of the package that made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    parent: str | None
    create_time: int
    git_revision: str
    software_version: str

    def to_json(self) -> str:
        """As callers get it."""
        return canonical_json(self.model_dump()).decode()


class Maker(BaseModel):
    """The software that makes versions, as recorded in a new version's provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    git_revision: str = ""
    software_version: str = synthvlm.__version__

    def provenance(self, number: int, parent: str | None) -> Provenance:
        """The provenance of a version entered now."""
        return Provenance(
            number=number,
            parent=parent,
            create_time=int(time.time()),
            git_revision=self.git_revision,
            software_version=self.software_version,
        )


def read_provenance(store: Store, path: str) -> Provenance | None:
    """The provenance of the version in the folder ``path``; None if it has not been written yet.

    Raises:
        DataCorrupt: The file is damaged.
    """
    try:
        data = store.read(f"{path}/{PROVENANCE}")
    except NotFound:
        return None
    try:
        return Provenance.model_validate(unsealed(data))
    except ValueError as error:
        raise DataCorrupt(
            f"{path}/{PROVENANCE} in {store.uri} is damaged; delete it, and the next run of the "
            f"same command writes it again"
        ) from error


def write_provenance(store: Store, path: str, provenance: Provenance) -> None:
    """Records the provenance of the version in the folder ``path``, unless there is one."""
    store.write_if_absent(f"{path}/{PROVENANCE}", sealed(provenance.model_dump()))


@cache
def working_copy_revision() -> str:
    """The git revision of the working copy that the code runs from; empty if there is none.

    An installed package or a container image has no working copy, and git may not be installed.
    """
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
