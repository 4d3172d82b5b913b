"""Caption files become pool shards: of fixed size, in input order, every bad record accounted for.

The files are read once, in a stream; in memory are the rows of a Parquet row group, and the ids of
the captions met so far, by which duplicates are found: about 100 bytes a caption in Python's sets.

A pool shard is keyed by the captions in it, whatever file they came from; so an import that was
killed is started again from the beginning of the input, and finds the shards that it had committed.
What became of the files, record by record, is the quarantine shard's: it is keyed by the files and
the request, and its manifest says which captions of the pool came from which file.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthvlm.caption.caption_ids import caption_id
from synthvlm.caption.pool import PoolWriter, RowFile, pool_key
from synthvlm.caption.readers import (
    CaptionFile,
    CaptionRecord,
    Layout,
    Notice,
    Notices,
    Record,
    Unreadable,
    excerpt,
    read_records,
)
from synthvlm.errors import FieldViolation, InvalidInput, PreconditionFailed
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

CODE_VERSION = 2
"""Raised whenever this code says other things of the same files."""

MAX_CAPTION_BYTES = MAX_PROMPT_BYTES
"""Longest caption that is imported, in bytes of UTF-8."""

_REPORT_RECORDS = 2000

_NOT_LOST = ("duplicate_caption", "empty_line")
"""Reasons by which nothing is lost: what is set aside for them does not count for the share."""


@dataclass(frozen=True)
class ImportRequest:
    """What to import.

    Attributes:
        files: The files, in their order.
        layout: What the caller says of their layout.
        shard_size: Captions a shard.
        max_set_aside: Largest share of the records, 0 to 1, that may be set aside for other reasons
            than being duplicates or empty lines.
    """

    files: Sequence[CaptionFile]
    layout: Layout
    shard_size: int
    max_set_aside: float = 1.0


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        shards: The pool shards, in input order.
        quarantine: The quarantined records; None: there are none.
        read: Captions and unreadable records, quarantined ones included.
        quarantined: Records quarantined, by reason.
        notices: What is worth knowing of the files.
        example: The first record that was lost, as ``file:line: reason: excerpt``; empty: none was.
    """

    shards: list[ShardRef]
    quarantine: ShardRef | None
    read: int
    quarantined: dict[str, int]
    notices: list[Notice]
    example: str


def import_captions(store: Store, request: ImportRequest, reporter: Reporter) -> Imported:
    """Imports caption files, or finds them imported.

    Args:
        store: Where shards are written.
        request: What to import.
        reporter: Told of the records read so far, and asked whether to go on.

    Raises:
        InvalidInput: A file cannot be used at all, see ``read_records``; or more is set aside than
            the request allows.
        PreconditionFailed: A file changed while it was read.
        OperationCancelled: The caller has gone; whole shards stay.
    """
    versions = [file.blob.version() for file in request.files]
    commit = Commit(store, _key(request, reporter))
    if ref := commit.find():
        imported = _committed(store, ref)
        if imported is not None:
            reporter.report(imported.read, imported.read, resumed=imported.read)
            return _within_limit(imported, request)
    with tempfile.TemporaryDirectory(prefix="synthvlm-import-") as folder:
        work = _Import(store, request, reporter, Path(folder))
        for file, version in zip(request.files, versions, strict=True):
            work.add(file)
            if file.blob.version() != version:
                raise PreconditionFailed(f"{file.name} changed while it was read; import it again")
        return _within_limit(work.finish(commit), request)


def _key(request: ImportRequest, reporter: Reporter) -> ShardKey:
    """Key of what became of the files: their names without folders, their digests, the request."""
    files = [
        {"name": file.name, "digest": file.digest(reporter), "format": file.format.value}
        for file in request.files
    ]
    layout = {**asdict(request.layout), "columns": list(request.layout.columns)}
    configuration = {"layout": layout, "shard_size": request.shard_size}
    inputs = {"files": sha256_digest(canonical_json(files))}
    return ShardKey("quarantine", inputs, configuration, code_version=CODE_VERSION)


def _committed(store: Store, ref: ShardRef) -> Imported | None:
    """The import that a quarantine shard tells of; None when a pool shard of it is gone."""
    manifest = open_shard(store, ref).manifest
    details = manifest.details
    shards = [Commit(store, pool_key(contents)).find() for contents in details["pool"]]
    if [shard and asdict(shard) for shard in shards] != details["shards"]:
        return None
    return Imported(
        [shard for shard in shards if shard],
        ref if ref.records else None,
        details["read"],
        dict(manifest.counts),
        [Notice(**entry) for entry in details["notices"]],
        details["example"],
    )


def _within_limit(imported: Imported, request: ImportRequest) -> Imported:
    """The import, if it does not set aside too much."""
    lost = {reason: n for reason, n in imported.quarantined.items() if reason not in _NOT_LOST}
    total = sum(lost.values())
    if total <= request.max_set_aside * imported.read:
        return imported
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in lost.items())
    problem = (
        f"{total:,} of {imported.read:,} records cannot be used ({reasons}), which is more than "
        f"{request.max_set_aside:.0%}; the first is {imported.example}; nothing is made of them. "
        f"To go on with the others, allow a larger share (--max-set-aside 1)"
    )
    raise InvalidInput(problem, [FieldViolation("files", problem)])


class _Import:
    """One attempt at an import."""

    def __init__(
        self, store: Store, request: ImportRequest, reporter: Reporter, folder: Path
    ) -> None:
        self._layout = request.layout
        self._reporter = reporter
        self._pool = PoolWriter(store, request.shard_size, folder)
        self._quarantine_path = folder / QUARANTINE_FILE
        self._quarantine = RowFile(self._quarantine_path, QUARANTINE)
        self._reasons: Counter[str] = Counter()
        self._example = ""
        self._notices: list[Notice] = []
        self._files: list[dict[str, Any]] = []
        self._captions: set[int] = set()
        self._read = 0
        self._resumed = 0

    def add(self, file: CaptionFile) -> None:
        """Imports the records of a file."""
        notices, before = Notices(file.name), len(self._captions)
        for record in read_records(file, self._layout, notices):
            self._read += 1
            problem = self._accept(record)
            if problem is not None:
                self._set_aside(file, problem)
            if self._read % _REPORT_RECORDS == 0:
                self._reporter.report(self._read, 0, self._resumed)
        self._notices += notices.all()
        self._files.append({"file": file.name, "captions": len(self._captions) - before})

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
            details={
                "read": self._read,
                "shards": [asdict(shard) for shard in shards],
                "pool": self._pool.contents,
                # In the order of the pool: the first captions are the first file's.
                "files": self._files,
                "notices": [asdict(notice) for notice in self._notices],
                "example": self._example,
            },
        )
        self._reporter.report(self._read, self._read, self._resumed)
        return Imported(
            shards,
            ref if ref.records else None,
            self._read,
            quarantined,
            self._notices,
            self._example,
        )

    def _accept(self, record: Record) -> Unreadable | None:
        """Puts a good record into the pool; says what is wrong with another."""
        if isinstance(record, Unreadable):
            return record
        text = record.text
        if not text.strip():
            return _rejected(record, "empty_caption")
        if len(text.encode()) > MAX_CAPTION_BYTES:
            return _rejected(record, "caption_too_long")
        caption = caption_id(text, record.id)
        digest = int(caption, 16)
        if digest in self._captions:
            return _rejected(record, "duplicate_caption")
        self._captions.add(digest)
        resumed = self._pool.resumed
        if self._pool.add(caption, text, record.id):
            if self._pool.resumed > resumed:
                self._resumed = self._read
            self._reporter.report(self._read, 0, self._resumed)
        return None

    def _set_aside(self, file: CaptionFile, problem: Unreadable) -> None:
        self._reasons[problem.reason] += 1
        self._quarantine.add((file.name, problem.line, problem.reason, problem.excerpt))
        if not self._example and problem.reason not in _NOT_LOST:
            shown = f": {problem.excerpt}" if problem.excerpt else ""
            self._example = f"{file.name}:{problem.line}: {problem.reason}{shown}"


def _rejected(record: CaptionRecord, reason: str) -> Unreadable:
    return Unreadable(record.line, reason, excerpt(record.text))
