"""The commit protocol: how a stage writes a shard so that a kill at any point loses little.

A shard's folder is named by its key: what the stage reads, its configuration and the model it uses.
A finished batch is kept as a *part*; the shard's files follow, and its manifest comes last, by
put-if-absent. A shard exists if and only if its manifest does. A run after a crash finds the parts
and continues; a run after the commit finds the manifest and is done; two concurrent runs write the
same bytes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage.digests import file_digest, sha256_digest
from synthvlm.storage.keys import ShardKey
from synthvlm.storage.manifest import MANIFEST, FileEntry, Manifest, read_manifest
from synthvlm.storage.refs import ShardRef
from synthvlm.storage.store import Store

PARTS = "parts"
"""Name of the folder of finished batches within a shard's folder."""

_DIGEST_LENGTH = len("sha256:") + 64


def _nobody(ref: ShardRef) -> None:
    del ref


class Commit:
    """One stage's work on one shard, from the first part to the manifest.

    Args:
        store: Where the shard lies.
        key: What decides it.
        tell: Told of the committed shard before its parts are forgotten, so that whoever has noted
            where something lies in a part can note its new place. After a kill in between it is
            told again.
    """

    def __init__(
        self, store: Store, key: ShardKey, tell: Callable[[ShardRef], None] = _nobody
    ) -> None:
        self.store = store
        self.key = key
        self.path = key.path
        self._tell = tell

    def find(self) -> ShardRef | None:
        """The shard, if it is committed and complete.

        A shard with a missing file is not found: running the stage again restores the same bytes.

        Raises:
            DataCorrupt: The manifest is damaged, or another shard's.
        """
        manifest = self._manifest()
        if manifest is None:
            return None
        for entry in manifest.files:
            try:
                if self.store.size(f"{self.path}/{entry.name}") != entry.size:
                    return None
            except NotFound:
                return None
        ref = ShardRef(self.path, manifest.digest, manifest.records)
        # A kill between the manifest and the end of `finish` leaves them behind.
        if parts := self.store.list(self.parts):
            self._tell(ref)
            self.store.delete(parts)
        return ref

    def read_part(self, index: int) -> bytes | None:
        """Batch ``index`` as an earlier attempt finished it; None if none did."""
        try:
            stored = self.store.read(self._part(index))
        except NotFound:
            return None
        digest, data = stored[:_DIGEST_LENGTH], stored[_DIGEST_LENGTH:]
        return data if digest == sha256_digest(data).encode() else None

    def write_part(self, index: int, data: bytes) -> None:
        """Keeps the finished batch ``index`` for the run that continues after a crash."""
        self.store.write(self._part(index), sha256_digest(data).encode() + data)

    def finish(
        self,
        files: Mapping[str, bytes | Path | FileEntry],
        records: int,
        counts: Mapping[str, int] | None = None,
        file_records: Mapping[str, int] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> ShardRef:
        """Commits the shard and deletes its parts.

        Args:
            files: Contents by name within the folder: bytes, a local file of any size, or the entry
                of a file that the stage has already written there (too large to keep).
            records: Records in the shard.
            counts: Additional counts for the manifest.
            file_records: Records in individual files, by name.
            details: Additional JSON values for the manifest.

        Raises:
            DataCorrupt: The same key was committed with other bytes: something that the
                stage's result depends on is missing in its key.
        """
        manifest = Manifest(
            kind=self.key.kind,
            schema_version=self.key.schema_version,
            code_version=self.key.code_version,
            inputs=dict(self.key.inputs),
            configuration=dict(self.key.configuration),
            model_digest=self.key.model_digest,
            files=[
                _entry(name, content, (file_records or {}).get(name))
                for name, content in sorted(files.items())
            ],
            records=records,
            counts=dict(counts or {}),
            details=dict(details or {}),
        )
        # Before any file is replaced: different bytes must not damage a committed shard.
        self._require_same(manifest)
        for name, content in sorted(files.items()):
            path = f"{self.path}/{name}"
            if isinstance(content, Path):
                self.store.upload(path, content)
            elif isinstance(content, bytes):
                self.store.write(path, content)
        if not self.store.write_if_absent(f"{self.path}/{MANIFEST}", manifest.sealed()):
            self._require_same(manifest)
        ref = ShardRef(self.path, manifest.digest, records)
        self._tell(ref)
        self.store.delete(self.store.list(self.parts))
        return ref

    @property
    def parts(self) -> str:
        """The folder of the finished batches."""
        return f"{self.path}/{PARTS}"

    def _part(self, index: int) -> str:
        return f"{self.parts}/{index:06d}"

    def _manifest(self) -> Manifest | None:
        try:
            return read_manifest(self.store, self.path)
        except NotFound:
            return None

    def _require_same(self, manifest: Manifest) -> None:
        committed = self._manifest()
        if committed is not None and committed != manifest:
            raise DataCorrupt(
                f"{self.path} in {self.store.uri} was committed with contents different from what "
                f"this run made; delete the folder to replace it",
                {"committed": committed.digest, "made": manifest.digest},
            )


def _entry(name: str, content: bytes | Path | FileEntry, records: int | None) -> FileEntry:
    if isinstance(content, FileEntry):
        return content
    if isinstance(content, Path):
        return FileEntry(
            name=name, sha256=file_digest(content), size=content.stat().st_size, records=records
        )
    return FileEntry(name=name, sha256=sha256_digest(content), size=len(content), records=records)
