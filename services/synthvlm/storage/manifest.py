"""The manifest of a shard: the small file that describes the shard and makes it exist."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.errors import DataCorrupt
from synthvlm.storage.digests import canonical_json, sha256_digest

MANIFEST = "manifest.json"
"""Name of a shard's manifest within its folder."""


class FileEntry(BaseModel):
    """One file of a shard.

    Attributes:
        name: Name within the shard's folder.
        sha256: ``sha256:`` digest of its bytes.
        size: Bytes.
        records: Records in it; None if that has no meaning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    size: int
    records: int | None = None


class Manifest(BaseModel):
    """What a shard contains and what it was made from. Nothing in it changes from run to run.

    Attributes:
        kind: ``captions``, ``images``, ``scores``…
        schema_version: Version of the tables (``schemas.SCHEMA_VERSION``).
        code_version: Version of the stage's code, incremented when its results change.
        inputs: Digests of the stage's inputs, by role.
        configuration: Parameters of the stage.
        model_digest: Digest of the model's files; empty for stages without one.
        files: The shard's files, by name.
        records: Records in the shard.
        counts: Additional counts, for example captions dropped by rule.
        details: Anything else that readers of this kind of shard need.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    schema_version: int
    code_version: int
    inputs: dict[str, str]
    configuration: dict[str, Any]
    model_digest: str
    files: list[FileEntry]
    records: int
    counts: dict[str, int]
    details: dict[str, Any]

    def to_bytes(self) -> bytes:
        """The canonical JSON whose digest identifies the shard."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """``sha256:`` digest of ``to_bytes``."""
        return sha256_digest(self.to_bytes())

    def file(self, name: str) -> FileEntry:
        """The entry of the file ``name``.

        Raises:
            DataCorrupt: The shard has no such file.
        """
        for entry in self.files:
            if entry.name == name:
                return entry
        raise DataCorrupt(f"the {self.kind} shard has no file {name}")


def read_manifest(data: bytes, path: str) -> Manifest:
    """Parses a manifest.

    Raises:
        DataCorrupt: It is not a manifest.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise DataCorrupt(f"{path}/{MANIFEST} is damaged; delete the folder to redo it") from error
