"""Stages that make records batch by batch, and none of them twice.

The records of a shard stand in a fixed order, and each has an identity. What exists under it is
taken: from a part that an earlier attempt at the shard has left, or from any shard that the stage's
index knows of. What does not is gathered, over gaps of any width, into batches that are full; each
finished batch is kept as a part of the commit until the shard is committed, and entered in the
index. Between parts and result nothing but the batch in hand is in memory, besides what is known of
the records that wait for it, as the shard's files grow in a temporary folder. Where records have
reserved places, the few that were made before their turn are in memory too.
"""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

import pyarrow as pa
from prometheus_client import Counter

from synthvlm.errors import NotFound
from synthvlm.progress import Reporter
from synthvlm.storage.batch_places import Places
from synthvlm.storage.commit import Commit
from synthvlm.storage.ledger import Count, attempted
from synthvlm.storage.made import NOTHING, Blob, Made, MadeIndex
from synthvlm.storage.parts import Fresh, Parts, failures_of, new_part
from synthvlm.storage.refs import ShardRef
from synthvlm.storage.shard_files import Row, ShardFiles
from synthvlm.storage.shard_locks import ShardLocks
from synthvlm.storage.shards import open_shard

LOOK_UP = 1024
"""Records looked up at once."""

AHEAD = 16_384
"""Records that wait for a full batch, at most. Each takes some hundred bytes: their own bytes are
read when they are written."""

_RECORDS = Counter(
    "synthvlm_records_made",
    "Records that were made for shards, by kind; found ones are not counted.",
    ["kind"],
)


@dataclass(frozen=True, slots=True)
class Item:
    """A record that a shard shall have.

    Attributes:
        identity: SHA-256 of everything that decides what is made of it.
        names: Columns of its row that are not made: ids and what else the shard calls it.
        drawn: The reserved place of a batch that it drew; None: it belongs to any other.
    """

    identity: bytes
    names: Row
    drawn: int | None = None


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a shard does.

    Attributes:
        records: Number of the items.
        items: The records, always in the same order.
        places: Places of a batch: as many items are made at once, at most.
        make: Makes some items, in their order.
        columns: Columns of the values that it makes.
        files: Begins the shard's files in a folder; they get rows of an item's names, its values,
            and its bytes as ``data``.
        index: Where records of other shards are found.
    """

    records: int
    items: Iterable[Item]
    places: Places
    make: Callable[[Sequence[Item]], Sequence[Fresh]]
    columns: pa.Schema
    files: Callable[[Path], ShardFiles]
    index: MadeIndex = NOTHING


@dataclass(frozen=True)
class MadeShard:
    """A committed shard.

    Attributes:
        ref: Its reference.
        failed: Records of the input that failed, by reason.
        reused: Records, failed ones included, that this call found in other shards.
    """

    ref: ShardRef
    failed: dict[str, int]
    reused: int = 0


class BatchStage:
    """Makes shards batch by batch; calls may come from many threads."""

    def __init__(self) -> None:
        self._locks = ShardLocks()

    def make(self, commit: Commit, begin: Callable[[], Attempt], reporter: Reporter) -> MadeShard:
        """Makes the shard of ``commit``, or finds it made.

        Args:
            commit: The shard.
            begin: Opens the inputs; called when the shard is not there yet.
            reporter: Told of every finished batch.

        Raises:
            DataCorrupt: Stored bytes are damaged.
            OperationCancelled: The caller has gone; finished batches stay.
            Unavailable: The store or the index cannot be reached.
        """
        with self._locks.hold(commit, reporter):
            if ref := commit.find():
                made = MadeShard(ref, failures_of(open_shard(commit.store, ref).manifest.counts))
                records = ref.records + sum(made.failed.values())
                reporter.report(records, records, resumed=records)
                return made
            attempt = begin()
            kind = commit.key.kind
            with (
                attempted(commit.store, kind, commit.path) as count,
                tempfile.TemporaryDirectory(prefix=f"synthvlm-{kind}-") as folder,
            ):
                work = _Work(commit, attempt, reporter, count)
                with closing(attempt.files(Path(folder))) as files:
                    for rows in work.rows():
                        files.add(rows)
                        work.report()
                ref = commit.finish(files.paths, files.records, files.counts, files.file_records)
            return MadeShard(ref, failures_of(files.counts), work.reused)


@dataclass(slots=True)
class _Record:
    """A record on its way into the shard.

    Attributes:
        place: Its number in the shard's order.
        item: What it shall be.
        source: What there is of it; None: it has yet to be made.
        is_own: Whether it was found in a part of the shard.
        data: Its bytes, while it is written.
    """

    place: int
    item: Item
    source: Made | Fresh | None
    is_own: bool = False
    data: bytes | None = None

    @property
    def is_reused(self) -> bool:
        """Whether it was found in another shard."""
        return isinstance(self.source, Made) and not self.is_own

    def row(self) -> Row:
        """Its row, once it is made and read."""
        values = {} if self.source is None else self.source.values
        return {**self.item.names, **values, "data": self.data}


def _is_there(record: _Record) -> bool:
    return record.source is not None


class _Work:
    """One attempt at work: rows in order, and how many of them came from where."""

    def __init__(self, commit: Commit, attempt: Attempt, reporter: Reporter, count: Count) -> None:
        self._store = commit.store
        self._folder = commit.parts
        self._kind = commit.key.kind
        self._parts = Parts(commit.store, commit.parts)
        self._attempt = attempt
        self._size = attempt.places.total
        self._reporter = reporter
        self._count = count
        self._done = self._resumed = self.reused = 0

    def report(self) -> None:
        """Tells the reporter of the rows that were taken so far."""
        self._reporter.report(self._done, self._attempt.records, self._resumed, self.reused)

    def rows(self) -> Iterator[list[Row]]:
        """The rows of the shard, some at a time."""
        self.report()
        waiting: deque[_Record] = deque()
        missing: list[_Record] = []
        for record in self._looked_up():
            waiting.append(record)
            if record.source is None:
                missing.append(record)
            if not missing:
                # Records that wait for nothing are written at once.
                if len(waiting) >= self._size:
                    yield from self._finished(waiting)
            elif len(batch := self._next(missing)) == self._size or len(waiting) >= AHEAD:
                self._make(batch)
                missing = [record for record in missing if record.source is None]
                yield from self._finished(waiting)
        while missing:
            self._make(self._next(missing))
            missing = [record for record in missing if record.source is None]
            yield from self._finished(waiting)
        yield from self._finished(waiting)

    def _next(self, missing: Sequence[_Record]) -> list[_Record]:
        """The next batch, which may not be full."""
        chosen = self._attempt.places.first([record.item.drawn for record in missing])
        return [missing[number] for number in chosen]

    def _looked_up(self) -> Iterator[_Record]:
        """The items with what there is of them."""
        items, start = iter(self._attempt.items), 0
        while chunk := list(islice(items, LOOK_UP)):
            self._reporter.check()
            end = start + len(chunk)
            own = self._parts.take((item.identity for item in chunk), end)
            others = self._found([item.identity for item in chunk if item.identity not in own])
            for place, item in enumerate(chunk, start):
                made = own.get(item.identity)
                yield _Record(place, item, made or others.get(item.identity), made is not None)
            start = end

    def _found(self, identities: Sequence[bytes]) -> dict[bytes, Made]:
        """What the index knows and the store has."""
        known = self._attempt.index.find(identities) if identities else {}
        found = self._present(known)
        if gone := [identity for identity in known if identity not in found]:
            # A shard may have been committed in between, and its parts are in its files now.
            found |= self._present(self._attempt.index.find(gone))
        return found

    def _present(self, known: Mapping[bytes, Made]) -> dict[bytes, Made]:
        """The records whose bytes can be there; each object is asked for once."""
        sizes: dict[str, int] = {}

        def is_present(blob: Blob | None) -> bool:
            if blob is None:
                return True
            if blob.path not in sizes:
                try:
                    sizes[blob.path] = self._store.size(blob.path)
                except NotFound:
                    sizes[blob.path] = 0
            return blob.offset + blob.size <= sizes[blob.path]

        return {identity: made for identity, made in known.items() if is_present(made.blob)}

    def _make(self, missing: Sequence[_Record]) -> None:
        """Makes what is missing, and keeps it."""
        if not missing:
            return
        fresh = self._attempt.make([record.item for record in missing])
        self._count.made += len(fresh)
        _RECORDS.labels(self._kind).inc(len(fresh))
        for record, made in zip(missing, fresh, strict=True):
            record.source, record.is_own = made, False
        identities = [record.item.identity for record in missing]
        part = new_part(
            self._folder,
            missing[0].place,
            list(zip(identities, fresh, strict=True)),
            self._attempt.columns,
        )
        # In this order, a part that exists is known: what is entered of one that does not counts
        # as not there.
        self._attempt.index.enter(part.made)
        self._store.write(part.path, part.data)

    def _finished(self, waiting: deque[_Record]) -> Iterator[list[Row]]:
        """Takes the records before the first one that is missing: their rows, with their bytes."""
        while batch := list(takewhile(_is_there, islice(waiting, self._size))):
            for _ in batch:
                waiting.popleft()
            if lost := [record for record in batch if not self._read(record)]:
                self._recover(lost)
            self._done += len(batch)
            self._resumed += sum(record.is_own for record in batch)
            self.reused += sum(record.is_reused for record in batch)
            yield [record.row() for record in batch]
            for record in batch:
                record.source = record.data = None

    def _read(self, record: _Record) -> bool:
        """Reads a record's bytes if it has any; whether they are there."""
        source = record.source
        if isinstance(source, Fresh):
            record.data = source.data
        elif source is not None and source.blob is not None:
            record.data = source.blob.read(self._store)
            return record.data is not None
        return True

    def _recover(self, lost: Sequence[_Record]) -> None:
        """Gets what could not be read from where it has moved to, or makes it anew."""
        moved = self._found([record.item.identity for record in lost])
        missing = []
        for record in lost:
            record.source, record.is_own = moved.get(record.item.identity), False
            if record.source is None or not self._read(record):
                missing.append(record)
        self._make(missing)
        for record in missing:
            self._read(record)
