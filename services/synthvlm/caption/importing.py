"""Caption files become pool shards: of fixed size, in input order, every bad record accounted for.

The files are read once, in a stream; in memory are the rows of a Parquet row group, and 16-byte
digests of the captions and identifiers met so far, by which duplicates are found: together about
100 bytes a caption with an identifier in Python's sets, so a gigabyte for some six million.

A shard's key is the files' digests and names, the request, and the shard's number. So an import
that was killed is started again from the beginning of the input, but finds the shards that it had
committed and only reads on: parsing is a small part of the work, and the digests are needed anyway.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from synthvlm.caption.caption_ids import caption_id
from synthvlm.caption.pool import PoolWriter, RowFile
from synthvlm.caption.readers import (
    CaptionFile,
    CaptionRecord,
    Record,
    Unreadable,
    excerpt,
    read_records,
)
from synthvlm.errors import PreconditionFailed
from synthvlm.limits import MAX_PROMPT_BYTES
from synthvlm.progress import Reporter
from synthvlm.storage import (
    Commit,
    ShardKey,
    ShardRef,
    Store,
    canonical_json,
    open_shard,
    sha256_digest,
)
from synthvlm.storage.schemas import QUARANTINE, QUARANTINE_FILE

CODE_VERSION = 1
"""Raised whenever this code makes other shards of the same files."""

MAX_CAPTION_BYTES = MAX_PROMPT_BYTES
"""Longest caption that is imported, in bytes of UTF-8."""

_REPORT_RECORDS = 2000


@dataclass(frozen=True)
class ImportRequest:
    """What to import.

    Attributes:
        files: The files, in their order.
        column: Name of the text column or key; empty: ``caption``, else ``text``.
        shard_size: Captions a shard.
    """

    files: Sequence[CaptionFile]
    column: str
    shard_size: int


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        shards: The pool shards, in input order.
        quarantine: The quarantined records; None: there are none.
        read: Records read, quarantined ones included.
        quarantined: Records quarantined, by reason.
    """

    shards: list[ShardRef]
    quarantine: ShardRef | None
    read: int
    quarantined: dict[str, int]


def import_captions(store: Store, request: ImportRequest, reporter: Reporter) -> Imported:
    """Imports caption files, or finds them imported.

    Args:
        store: Where shards are written.
        request: What to import.
        reporter: Told of the records read so far, and asked whether to go on.

    Raises:
        InvalidInput: A file cannot be used at all; see ``read_records``.
        PreconditionFailed: A file changed while it was read.
        OperationCancelled: The reporter says that nobody waits any more; whole shards stay.
    """
    versions = [file.blob.version() for file in request.files]
    keys = _Keys(request, reporter)
    commit = Commit(store, keys.result)
    if ref := commit.find():
        imported = _committed(store, ref, keys)
        if imported is not None:
            reporter.report(imported.read, imported.read, resumed=imported.read)
            return imported
    with tempfile.TemporaryDirectory(prefix="synthvlm-import-") as folder:
        work = _Import(store, request, keys, reporter, Path(folder))
        for file, version in zip(request.files, versions, strict=True):
            work.add(file)
            if file.blob.version() != version:
                raise PreconditionFailed(f"{file.name} changed while it was read; import it again")
        return work.finish(commit)


class _Keys:
    """The keys of an import's shards: digests and names of the files, without their folders."""

    def __init__(self, request: ImportRequest, reporter: Reporter) -> None:
        files = [{"name": file.name, "digest": file.digest(reporter)} for file in request.files]
        self._inputs = {"files": sha256_digest(canonical_json(files))}
        self._configuration = {"column": request.column, "shard_size": request.shard_size}
        self.result = ShardKey(
            "quarantine", self._inputs, self._configuration, code_version=CODE_VERSION
        )

    def shard(self, number: int) -> ShardKey:
        """Key of the pool shard ``number``, from 0."""
        configuration = {**self._configuration, "shard": number}
        return ShardKey("pool", self._inputs, configuration, code_version=CODE_VERSION)


def _committed(store: Store, ref: ShardRef, keys: _Keys) -> Imported | None:
    """The import that a quarantine shard tells of; None when a pool shard of it is gone."""
    manifest = open_shard(store, ref).manifest
    shards = [ShardRef(**entry) for entry in manifest.details["shards"]]
    if [Commit(store, keys.shard(number)).find() for number in range(len(shards))] != shards:
        return None
    return Imported(
        shards, ref if ref.records else None, manifest.details["read"], dict(manifest.counts)
    )


class _Import:
    """One attempt at an import."""

    def __init__(
        self, store: Store, request: ImportRequest, keys: _Keys, reporter: Reporter, folder: Path
    ) -> None:
        self._column = request.column
        self._reporter = reporter
        self._pool = PoolWriter(store, keys.shard, request.shard_size, folder)
        self._quarantine_path = folder / QUARANTINE_FILE
        self._quarantine = RowFile(self._quarantine_path, QUARANTINE)
        self._reasons: Counter[str] = Counter()
        self._captions: set[int] = set()
        self._read = 0
        self._resumed = 0

    def add(self, file: CaptionFile) -> None:
        """Imports the records of a file."""
        # Identifiers are unique within a file: other files count from 1 too.
        ids: set[int] = set()
        for record in read_records(file, self._column):
            self._read += 1
            problem = self._accept(record, file, ids)
            if problem is not None:
                self._reasons[problem.reason] += 1
                self._quarantine.add((file.name, problem.line, problem.reason, problem.excerpt))
            if self._read % _REPORT_RECORDS == 0:
                self._reporter.report(self._read, 0, self._resumed)

    def finish(self, commit: Commit) -> Imported:
        """Commits the last shard, then the quarantine with the list of all shards."""
        self._pool.flush()
        self._quarantine.close()
        shards = self._pool.shards
        quarantined = dict(sorted(self._reasons.items()))
        ref = commit.finish(
            files={QUARANTINE_FILE: self._quarantine_path},
            records=self._quarantine.rows,
            counts=quarantined,
            details={"read": self._read, "shards": [asdict(shard) for shard in shards]},
        )
        self._reporter.report(self._read, self._read, self._resumed)
        return Imported(shards, ref if ref.records else None, self._read, quarantined)

    def _accept(self, record: Record, file: CaptionFile, ids: set[int]) -> Unreadable | None:
        """Puts a good record into the pool; says what is wrong with another."""
        if isinstance(record, Unreadable):
            return record
        text = record.text
        if not text.strip():
            return _rejected(record, "empty_caption")
        if len(text.encode()) > MAX_CAPTION_BYTES:
            return _rejected(record, "caption_too_long")
        identity = None if record.id is None else _short_digest(record.id)
        if identity in ids:
            return _rejected(record, "duplicate_id")
        caption = caption_id(text, file.source)
        digest = int(caption, 16)
        if digest in self._captions:
            return _rejected(record, "duplicate_caption")
        self._captions.add(digest)
        if identity is not None:
            ids.add(identity)
        resumed = self._pool.resumed
        if self._pool.add(caption, text, file.source, record.id):
            if self._pool.resumed > resumed:
                self._resumed = self._read
            self._reporter.report(self._read, 0, self._resumed)
        return None


def _rejected(record: CaptionRecord, reason: str) -> Unreadable:
    return Unreadable(record.line, reason, excerpt(record.text))


def _short_digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])
