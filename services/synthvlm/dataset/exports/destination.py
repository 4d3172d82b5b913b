"""The folder that an export is written to: for one version and format, resumable by file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.dataset.exports.reserved import ExportFormat, Guard, ReservedRule
from synthvlm.errors import AlreadyExists, DataCorrupt, NotFound
from synthvlm.storage import Store, canonical_json, file_digest, sha256_digest

_CHUNK = 4 << 20

SIDE_FOLDER = "__synthvlm__"
"""Folder of the files that tell of an export. Readers that are given the export's folder pass it
over: ``pandas`` and ``pyarrow`` for its first underscore, ``datasets`` for its first two."""

RECORD = f"{SIDE_FOLDER}/export.json"
"""Says what the export's folder holds. Written first, and again after each file."""


class Record(BaseModel):
    """Contents of ``export.json``.

    Attributes:
        dataset: Name of the dataset.
        digest: Digest of the version.
        format: Form of the export.
        reserved: What becomes of captions with words that are reserved in this form.
        complete: Whether the export is whole, and was read again to make sure.
        pairs: Pairs in the export.
        set_aside: Pairs of the version that were left out for a reserved word.
        changed: Captions from which a reserved word was taken out.
        words: In how many captions each reserved word was found.
        truncated: Pairs whose caption is longer than the text encoders' window, so that its end
            did not reach the model that made the image; null where the version does not say.
        files: ``sha256:`` digests of the files written so far, by path.
    """

    model_config = ConfigDict(extra="forbid")

    dataset: str
    digest: str
    format: ExportFormat
    reserved: ReservedRule
    complete: bool = False
    pairs: int = 0
    set_aside: int = 0
    changed: int = 0
    words: dict[str, int] = {}
    truncated: int | None = None
    files: dict[str, str] = {}

    @property
    def what(self) -> tuple[str, str, str, str]:
        """What the export is of, and how it was asked for."""
        return self.dataset, self.digest, self.format, self.reserved


@dataclass(frozen=True)
class Written:
    """What one form of export wrote.

    Attributes:
        pairs: Pairs in the export.
        truncated: As in ``Record``.
        folders: Folders whose files are not recorded one by one, each with a slash at its end.
    """

    pairs: int
    truncated: int | None
    folders: Sequence[str] = ()


class Destination:
    """The folder of one export; repeating the export to the same folder resumes it."""

    def __init__(self, store: Store, record: Record) -> None:
        self.store = store
        self.record = record
        self._checked: set[str] = set()

    @classmethod
    def claim(cls, store: Store, wanted: Record) -> "Destination":
        """Claims the folder for one version, form and rule.

        Raises:
            AlreadyExists: It holds an export of another version or in another format.
            DataCorrupt: Its record is damaged.
        """
        if store.write_if_absent(RECORD, _json(wanted)):
            return cls(store, wanted)
        try:
            known = Record.model_validate_json(store.read(RECORD))
        except ValidationError as error:
            raise DataCorrupt(f"{store.uri}/{RECORD} is damaged; delete the folder") from error
        if known.what != wanted.what:
            raise AlreadyExists(
                f"{store.uri} holds an export of {known.dataset}@{known.digest[:19]} as "
                f"{known.format} (--reserved {known.reserved}); choose an empty folder",
                {"digest": known.digest, "format": known.format},
            )
        return cls(store, known)

    @property
    def files(self) -> list[str]:
        """Paths of the recorded files, sorted, and of the record itself."""
        return sorted([*self.record.files, RECORD])

    def has(self, path: str) -> bool:
        """Whether an earlier attempt wrote the file, and it is still whole."""
        expected = self.record.files.get(path)
        whole = expected is not None and _digest(self.store, path) == expected
        if whole:
            self._checked.add(path)
        return whole

    def put_file(self, path: str, local: Path) -> None:
        """Writes and records a file of any size."""
        self.store.upload(path, local)
        self._note(path, file_digest(local))

    def put(self, path: str, data: bytes) -> None:
        """Writes and records a small file."""
        self.store.write(path, data)
        self._note(path, sha256_digest(data))

    def finish(self, written: Written, guard: Guard) -> None:
        """Reads what was written again, and records that the export is whole.

        Raises:
            DataCorrupt: A file is not as it was written.
        """
        for path in self.record.files:
            if path not in self._checked and not self.has(path):
                raise DataCorrupt(
                    f"{self.store.uri}/{path} is not what was written to it; run the same command "
                    f"again, and check the disk"
                )
        outcome = {
            "complete": True,
            "pairs": written.pairs,
            "set_aside": guard.set_aside,
            "changed": guard.changed,
            "words": dict(sorted(guard.words.items())),
            "truncated": written.truncated,
        }
        self._write(self.record.model_copy(update=outcome))

    def _note(self, path: str, digest: str) -> None:
        files = {**self.record.files, path: digest}
        self._checked.discard(path)
        self._write(self.record.model_copy(update={"files": files, "complete": False}))

    def _write(self, record: Record) -> None:
        if record != self.record:
            self.record = record
            self.store.write(RECORD, _json(record))


def _json(record: Record) -> bytes:
    return canonical_json(record.model_dump(mode="json"))


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
