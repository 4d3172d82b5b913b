"""Stages that work batch by batch, and go on where an earlier attempt stopped.

Batches are cut from a stage's input at fixed places, so that a batch is the same whether the first
attempt works on it or one that goes on after a crash. Each finished batch is kept as a part of the
commit until the shard is committed; between parts and result nothing but the batch in hand is in
memory, as the shard's files grow in a temporary folder.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from synthvlm.progress import Reporter
from synthvlm.storage.commit import Commit
from synthvlm.storage.parts import failures_of, part_bytes, part_rows
from synthvlm.storage.refs import ShardRef
from synthvlm.storage.shard_files import Row, ShardFiles
from synthvlm.storage.shard_locks import ShardLocks
from synthvlm.storage.shards import open_shard


@dataclass(frozen=True)
class Batch:
    """Some records of a stage's input: how many they are, and the work that makes their rows."""

    records: int
    work: Callable[[], Sequence[Row]]


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a shard does.

    Attributes:
        records: Records of the input.
        batches: The batches, always cut at the same places.
        part: Columns of a batch's rows.
        files: Begins the shard's files in a folder.
    """

    records: int
    batches: Iterable[Batch]
    part: pa.Schema
    files: Callable[[Path], ShardFiles]


@dataclass(frozen=True)
class MadeShard:
    """A committed shard: its reference, and the records of the input that failed, by reason."""

    ref: ShardRef
    failed: dict[str, int]


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
            OperationCancelled: The reporter says that nobody waits any more; finished batches stay.
        """
        with self._locks.hold(commit, reporter):
            if ref := commit.find():
                made = MadeShard(ref, failures_of(open_shard(commit.store, ref).manifest.counts))
                records = ref.records + sum(made.failed.values())
                reporter.report(records, records, resumed=records)
                return made
            attempt = begin()
            prefix = f"synthvlm-{commit.key.kind}-"
            with tempfile.TemporaryDirectory(prefix=prefix) as folder:
                with closing(attempt.files(Path(folder))) as files:
                    for part in _parts(commit, attempt, reporter):
                        files.add(part_rows(part))
                ref = commit.finish(files.paths, files.records, files.counts, files.file_records)
            return MadeShard(ref, failures_of(files.counts))


def _parts(commit: Commit, attempt: Attempt, reporter: Reporter) -> Iterator[bytes]:
    """The batches' parts, as an earlier attempt kept them or made now; reported once taken."""
    done = resumed = 0
    reporter.report(done, attempt.records)
    for index, batch in enumerate(attempt.batches):
        part = commit.read_part(index)
        if part is None:
            part = part_bytes(batch.work(), attempt.part)
            commit.write_part(index, part)
        else:
            resumed += batch.records
        yield part
        done += batch.records
        reporter.report(done, attempt.records, resumed)
