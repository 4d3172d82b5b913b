"""The folder that an export is written to: for one version and format, resumable by file."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.errors import AlreadyExists, DataCorrupt, NotFound
from synthvlm.storage import Store, canonical_json, file_digest, sha256_digest

_CHUNK = 4 << 20

RECORD = "export.json"
"""Describes the folder's contents. Written first, and again after each file."""


class Record(BaseModel):
    """Contents of ``export.json``.

    Attributes:
        dataset: Name of the dataset.
        digest: Digest of the version.
        format: Format of the export.
        files: ``sha256:`` digests of the files written so far, by path.
    """

    model_config = ConfigDict(extra="forbid")

    dataset: str
    digest: str
    format: str
    files: dict[str, str] = {}


class Destination:
    """The folder of one export; repeating the export to the same folder resumes it."""

    def __init__(self, store: Store, record: Record) -> None:
        self.store = store
        self._record = record

    @classmethod
    def claim(cls, store: Store, dataset: str, digest: str, form: str) -> "Destination":
        """Claims the folder for one version and format.

        Raises:
            AlreadyExists: It holds an export of another version or in another format.
            DataCorrupt: Its record is damaged.
        """
        record = Record(dataset=dataset, digest=digest, format=form)
        if store.write_if_absent(RECORD, _json(record)):
            return cls(store, record)
        try:
            known = Record.model_validate_json(store.read(RECORD))
        except ValidationError as error:
            raise DataCorrupt(f"{store.uri}/{RECORD} is damaged; delete the folder") from error
        if (known.dataset, known.digest, known.format) != (dataset, digest, form):
            raise AlreadyExists(
                f"{store.uri} holds an export of {known.dataset}@{known.digest[:19]} as "
                f"{known.format}; choose an empty folder",
                {"digest": known.digest, "format": known.format},
            )
        return cls(store, known)

    @property
    def files(self) -> list[str]:
        """Paths of the recorded files, sorted, and of the record itself."""
        return sorted([*self._record.files, RECORD])

    def has(self, path: str) -> bool:
        """Whether an earlier attempt wrote the file, and it is intact."""
        expected = self._record.files.get(path)
        return expected is not None and _digest(self.store, path) == expected

    def put_file(self, path: str, local: Path) -> None:
        """Writes and records a file of any size."""
        self.store.upload(path, local)
        self._note(path, file_digest(local))

    def put(self, path: str, data: bytes) -> None:
        """Writes and records a small file."""
        self.store.write(path, data)
        self._note(path, sha256_digest(data))

    def _note(self, path: str, digest: str) -> None:
        self._record.files[path] = digest
        self.store.write(RECORD, _json(self._record))


def _json(record: Record) -> bytes:
    return canonical_json(record.model_dump())


def _digest(store: Store, path: str) -> str:
    """Digest of a stored file, read in pieces; empty if it does not exist."""
    digest = hashlib.sha256()
    try:
        with store.open(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except NotFound:
        return ""
    return f"sha256:{digest.hexdigest()}"
