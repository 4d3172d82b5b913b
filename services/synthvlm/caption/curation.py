"""Curates pool shards into CaptionSet shards: what the rules keep, and what they drop and why.

A shard is not split into parts: the rules judge a shard faster than its parts could be written and
read again.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthvlm.caption.recipe import Recipe
from synthvlm.caption.rules import Verdicts, judge
from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE, DROPPED, DROPPED_FILE, POOL, POOL_FILE
from synthvlm.storage.tables import TableFile

CODE_VERSION = 1
"""Incremented whenever this code changes the verdicts or tables for the same shard and recipe."""

_ROWS = 4096


@dataclass(frozen=True)
class CaptionSet:
    """A committed CaptionSet shard.

    Attributes:
        read: Captions in the pool shard.
        kept: Captions kept.
        dropped: Captions dropped, by the first rule that drops them, in the recipe's order.
    """

    ref: ShardRef
    read: int
    kept: int
    dropped: dict[str, int]


def curate(store: Store, pool: ShardRef, recipe: Recipe, reporter: Reporter) -> CaptionSet:
    """Curates a pool shard, or finds it curated.

    Args:
        store: Where the pool is read and the result is written.
        pool: The pool shard.
        recipe: The rules.
        reporter: Called with the captions judged so far, and checked for cancellation.

    Raises:
        NotFound: There is no such shard.
        InvalidInput: It is not a pool shard.
        DataCorrupt: Stored bytes are damaged.
        OperationCancelled: The caller has gone.
    """
    key = ShardKey(
        "captions",
        {"pool": pool.digest},
        {"recipe": recipe.configuration()},
        code_version=CODE_VERSION,
    )
    commit = Commit(store, key)
    if ref := commit.find():
        made = _caption_set(ref, recipe, open_shard(store, ref).manifest.counts)
        reporter.report(made.read, made.read, resumed=made.read)
        return made
    shard = open_shard(store, pool)
    if not shard.has(POOL_FILE):
        problem = f"{pool.path} is a shard of {shard.manifest.kind}, not of a pool"
        raise InvalidInput(problem, [FieldViolation("pool.path", problem)])
    total = shard.manifest.records
    reporter.report(0, total)
    with tempfile.TemporaryDirectory(prefix="synthvlm-curation-") as name:
        folder = Path(name)
        files = {file: folder / file for file in (CAPTIONS_FILE, DROPPED_FILE)}
        counts: Counter[str] = Counter()
        done = 0
        with (
            TableFile(files[CAPTIONS_FILE], CAPTIONS) as kept,
            TableFile(files[DROPPED_FILE], DROPPED) as dropped,
        ):
            for batch in shard.batches(POOL_FILE, POOL, _ROWS):
                verdicts = judge(recipe.rules, batch.column("text").to_pylist())
                table = _judged(batch, verdicts)
                keep = pa.array(verdicts.keep)
                kept.write(table.filter(keep))
                dropped.write(table.filter(pa.compute.invert(keep)))
                counts.update(verdicts.first_drops())
                done += batch.num_rows
                reporter.report(done, total)
        ref = commit.finish(
            files,
            records=kept.rows,
            counts=counts,
            file_records={CAPTIONS_FILE: kept.rows, DROPPED_FILE: dropped.rows},
        )
    return _caption_set(ref, recipe, counts)


def _caption_set(ref: ShardRef, recipe: Recipe, counts: Mapping[str, int]) -> CaptionSet:
    # A manifest's keys are sorted; the recipe has the order of its rules.
    dropped = {rule.operator.name: counts.get(rule.operator.name, 0) for rule in recipe.rules}
    return CaptionSet(ref, ref.records + sum(dropped.values()), ref.records, dropped)


def _judged(batch: pa.RecordBatch, verdicts: Verdicts) -> pa.Table:
    """The batch with its statistics and the rules that drop each caption, in DROPPED's columns."""
    columns = [
        *batch.columns,
        _statistics_column(verdicts, batch.num_rows),
        _dropped_by_column(verdicts),
    ]
    return pa.Table.from_arrays(columns, schema=DROPPED)


def _statistics_column(verdicts: Verdicts, rows: int) -> pa.Array:
    """A map of each caption's statistics, in the recipe's order."""
    width = len(verdicts.statistics)
    names = pa.array(list(verdicts.statistics) * rows, pa.string())
    values = np.stack(list(verdicts.statistics.values()), axis=1).ravel()
    return pa.MapArray.from_arrays(_offsets(np.full(rows, width)), names, pa.array(values))


def _dropped_by_column(verdicts: Verdicts) -> pa.Array:
    """A list of the rules that drop each caption, in the recipe's order."""
    drops = verdicts.drops.T
    rules = pa.array(verdicts.rules, pa.string()).take(pa.array(np.nonzero(drops)[1]))
    return pa.ListArray.from_arrays(_offsets(drops.sum(axis=1)), rules)


def _offsets(lengths: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
