"""Selecting pairs by their scores: the best image of each caption, then the best captions."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.dataset.best import SCORED, BestOfRepeats, SelectionRule, ranked
from synthvlm.dataset.chains import CheckedChain, CheckedChains, ShardChain, check_chains
from synthvlm.dataset.columns import combine_columns
from synthvlm.dataset.index import build_index
from synthvlm.dataset.readahead import read_ahead
from synthvlm.dataset.strata import Division, divide
from synthvlm.errors import DataCorrupt
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.schemas import (
    CAPTIONS_FILE,
    IMAGES,
    IMAGES_FILE,
    POOL,
    SCORES,
    SCORES_FILE,
    SELECTION,
    SELECTION_FILE,
)
from synthvlm.storage.tables import ROW_GROUP, TableFile

KIND = "selection"
CODE_VERSION = 1
"""Incremented whenever this code selects different pairs by the same rule."""

_PLACE = [field for field in IMAGES if field.name not in ("image_id", "caption_id", "repeat")]
_TEXT = [field for field in POOL if field.name != "caption_id"]
# All texts together may exceed the 2 GiB that 32-bit offsets can address.
_LARGE_TEXT = pa.field("text", pa.large_string(), nullable=False)
_JOINED = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),
        *SCORED,
        *_PLACE,
        *[_LARGE_TEXT if field.name == "text" else field for field in _TEXT],
    ]
)


@dataclass(frozen=True)
class Selected:
    """A committed Selection.

    Attributes:
        ref: The shard: ``selection.parquet``, best first.
        index: The index of all images of its run.
        scored: Scored images read.
        captions: Captions with at least one image that has usable scores.
        selected: Pairs selected.
    """

    ref: ShardRef
    index: ShardRef
    scored: int
    captions: int
    selected: int


def select(
    store: Store, chains: Sequence[ShardChain], rule: SelectionRule, reporter: Reporter
) -> Selected:
    """Commits a Selection, or finds it committed.

    A caption's best image is the one with the highest weighted score; ties go to the higher
    CLIPScore, then the lower repeat, then the lower image id. Captions are ranked in the same
    order. Images whose scores are not finite are never selected.

    With strata, each gives the same share of its captions, its best ones; the result is in the same
    order. Of clusters the manifest's details say as ``strata`` how they are named, how many
    captions each has and how many are selected.

    Memory is proportional to the number of captions and the size of the selection, not to image
    bytes or to texts that are not selected.

    Args:
        store: Where shards are read and written.
        chains: The shards of a run, in any order.
        rule: How many captions to select.
        reporter: Called with the chains whose scores have been read.

    Raises:
        InvalidInput: A chain's shards do not belong together, or the captions do not have the
            statistic that divides them.
        NotFound: A shard does not exist.
        DataCorrupt: Stored bytes are damaged.
        OperationCancelled: The caller has gone.
    """
    checked = check_chains(store, chains, reporter)
    total = sum(chain.shards.score_set.records for chain in checked.chains)
    reporter.report(0, total)
    index = build_index(store, checked, reporter)
    commit = Commit(
        store, ShardKey(KIND, {"index": index.digest}, rule.to_json(), "", CODE_VERSION)
    )
    if ref := commit.find():
        reporter.report(total, total, resumed=total)
        counts = open_shard(store, ref).manifest.counts
        return Selected(ref, index, counts["scored"], counts["captions"], counts["selected"])
    scores = BestOfRepeats()
    with read_ahead(lambda chain: _scores(store, chain), checked.chains, checked.workers) as tables:
        for number, table in enumerate(tables):
            scores.add(table, number)
            reporter.report(scores.scored, total)
    best = scores.finish()
    captions = best.num_rows
    division = None
    if rule.strata is not None:
        division = divide(store, checked, best, rule.strata, reporter)
    rows = ranked(best, rule, None if division is None else division.strata)
    named = {} if division is None else _named_strata(division, best, rows)
    del best, division
    with tempfile.TemporaryDirectory(prefix="synthvlm-selection-") as folder:
        path = Path(folder) / SELECTION_FILE
        _write(path, store, checked, rows, reporter)
        ref = commit.finish(
            files={SELECTION_FILE: path},
            records=rows.num_rows,
            counts={
                "scored": scores.scored,
                "unusable_scores": scores.unusable,
                "captions": captions,
                "selected": rows.num_rows,
            },
            file_records={SELECTION_FILE: rows.num_rows},
            details={"index": {"path": index.path, "records": index.records}, **named},
        )
    return Selected(ref, index, scores.scored, captions, rows.num_rows)


def _named_strata(division: Division, best: pa.Table, rows: pa.Table) -> dict[str, Any]:
    """What the manifest says of strata that the rule does not name: how many each has and gave."""
    if not division.names:
        return {}
    chosen = pc.is_in(best["caption_id"], rows["caption_id"]).to_numpy()
    return {"strata": division.counts(chosen)}


def _scores(store: Store, chain: CheckedChain) -> pa.Table:
    return open_shard(store, chain.shards.score_set).table(SCORES_FILE, SCORES)


def _write(
    path: Path,
    store: Store,
    chains: CheckedChains,
    rows: pa.Table,
    reporter: Reporter,
) -> None:
    """Joins the selected rows with their texts and image locations; writes them best first."""
    sets = {
        "image_set": pa.array([one.shards.image_set.path for one in chains.chains], pa.string()),
        "image_set_digest": pa.array(
            [one.shards.image_set.digest for one in chains.chains], pa.string()
        ),
    }
    columns = _joined_columns(store, chains, rows, reporter)
    order = pc.sort_indices(columns["rank"])
    with TableFile(path, SELECTION) as file:
        for start in range(0, len(order), ROW_GROUP):
            reporter.check()
            wanted = order.slice(start, ROW_GROUP)
            taken = {name: column.take(wanted) for name, column in columns.items()}
            taken |= {name: paths.take(taken["chain"]) for name, paths in sets.items()}
            file.write(pa.table({name: taken[name] for name in SELECTION.names}))


def _joined_columns(
    store: Store, chains: CheckedChains, rows: pa.Table, reporter: Reporter
) -> dict[str, pa.Array]:
    """The columns of the selection and a column ``rank``, in order of the chains."""
    rows = rows.append_column("rank", pa.array(range(rows.num_rows), pa.int64()))
    joined = [_JOINED.empty_table()]

    def join(item: tuple[int, pa.Table]) -> pa.Table:
        number, selected = item
        return _join(store, chains.chains[number], selected)

    with read_ahead(join, _by_chain(rows), chains.workers) as tables:
        for table in tables:
            reporter.check()
            joined.append(table)
    return combine_columns(joined)


def _by_chain(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each non-empty chain, with the chain's number."""
    rows = rows.sort_by("chain").combine_chunks()
    runs = pc.run_end_encode(rows["chain"].combine_chunks())
    start = 0
    for number, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield number, rows.slice(start, end - start)
        start = end


def _join(store: Store, chain: CheckedChain, rows: pa.Table) -> pa.Table:
    shards = chain.shards
    images = open_shard(store, shards.image_set).table(IMAGES_FILE, IMAGES)
    captions = open_shard(store, shards.caption_set).table(CAPTIONS_FILE, POOL)
    columns = {name: rows[name] for name in ("rank", *SCORED.names)}
    for keys, table, fields in (("image_id", images, _PLACE), ("caption_id", captions, _TEXT)):
        places = pc.index_in(rows[keys], table[keys])
        if places.null_count:
            missing = rows[keys].filter(pc.is_null(places))[0].as_py()
            source = shards.image_set if table is images else shards.caption_set
            raise DataCorrupt(
                f"{shards.score_set.path} has scores of {missing}, which is not in {source.path}"
            )
        columns |= {field.name: table[field.name].take(places) for field in fields}
    return pa.table(columns).cast(_JOINED)
