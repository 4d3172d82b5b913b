"""The manifest of a shard: the small file that describes the shard and makes it exist."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from synthvlm.errors import DataCorrupt
from synthvlm.storage.digests import canonical_json, sealed, sha256_digest, unsealed
from synthvlm.storage.keys import ShardKey
from synthvlm.storage.store import Store

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
        schema_version: Version of the tables (``keys.SCHEMA_VERSION``).
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

    @property
    def key(self) -> ShardKey:
        """The key that it says that the shard has."""
        return ShardKey(
            kind=self.kind,
            inputs=self.inputs,
            configuration=self.configuration,
            model_digest=self.model_digest,
            code_version=self.code_version,
            schema_version=self.schema_version,
        )

    def to_bytes(self) -> bytes:
        """The canonical JSON whose digest identifies the shard."""
        return canonical_json(self.model_dump(mode="json"))

    def sealed(self) -> bytes:
        """The file: the same JSON with its digest in it."""
        return sealed(self.model_dump(mode="json"))

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


def read_manifest(store: Store, path: str) -> Manifest:
    """Reads the manifest of the shard in the folder ``path``, every byte of it checked.

    It carries its own digest, and its key is the one that the folder is named by.

    Raises:
        NotFound: There is no such shard.
        DataCorrupt: It is damaged, or the manifest of another shard.
    """
    data = store.read(f"{path}/{MANIFEST}")
    try:
        manifest = Manifest.model_validate(unsealed(data))
    except ValueError as error:  # pydantic's errors are such, too
        raise DataCorrupt(damaged(store, f"{path}/{MANIFEST}")) from error
    if manifest.key.path != path:
        raise DataCorrupt(
            f"{path}/{MANIFEST} in {store.uri} is the manifest of another shard, "
            f"{manifest.key.path}; delete it and run the same command again",
        )
    return manifest


def damaged(store: Store, path: str, detail: str = "") -> str:
    """What to say of a damaged object that a stage can make again.

    Args:
        store: The store.
        path: The object's path in it.
        detail: What shows the damage, where it is more than a digest of the whole object.
    """
    return (
        f"{path} in {store.uri} is damaged{detail and ': '}{detail}; delete it and run the same "
        f"command again, which makes the same bytes"
    )
