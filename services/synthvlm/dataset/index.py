"""The index of all images that a run generated, selected or not, so that any can be found by id.

It is a shard like the others: `images.parquet` is sorted by image id and says which chain an image
belongs to, `chains.parquet` says where that chain's shards are. A lookup reads one row group.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.dataset.chains import CheckedChain, CheckedChains
from synthvlm.dataset.readahead import read_ahead
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.schemas import (
    CHAINS,
    CHAINS_FILE,
    IMAGE_INDEX,
    IMAGE_INDEX_FILE,
    IMAGES,
    IMAGES_FILE,
)
from synthvlm.storage.tables import TableFile, table_bytes

KIND = "index"
CODE_VERSION = 1
"""Incremented whenever this code produces a different index from the same chains."""

_Parts = defaultdict[int, list[pa.Table]]
"""Rows of the index by the first byte of their ids: parts that are sorted one after the other."""

_IMAGE_ID = pa.schema([IMAGES.field("image_id")])


def build_index(store: Store, chains: CheckedChains, reporter: Reporter) -> ShardRef:
    """Commits the index of the images of all chains, or finds it committed.

    Holds all ids in memory, about 45 bytes per image, and sorts a part of them at a time.

    Raises:
        DataCorrupt: An ImageSet is damaged.
        OperationCancelled: The caller has gone.
    """
    commit = Commit(store, ShardKey(KIND, {"chains": chains.digest}, code_version=CODE_VERSION))
    if ref := commit.find():
        return ref
    parts: _Parts = defaultdict(list)
    with read_ahead(
        lambda chain: _image_ids(store, chain), chains.chains, chains.workers
    ) as tables:
        for number, table in enumerate(tables):
            reporter.check()
            numbers = pa.repeat(pa.scalar(number, pa.int32()), table.num_rows)
            _divide(pa.table([table["image_id"], numbers], schema=IMAGE_INDEX), parts)
    with tempfile.TemporaryDirectory(prefix="synthvlm-index-") as folder:
        path = Path(folder) / IMAGE_INDEX_FILE
        with TableFile(path, IMAGE_INDEX) as file:
            for rows in _sorted(parts):
                reporter.check()
                file.write(rows)
        images = file.rows
        return commit.finish(
            files={IMAGE_INDEX_FILE: path, CHAINS_FILE: table_bytes(_chains_table(chains), CHAINS)},
            records=images,
            file_records={IMAGE_INDEX_FILE: images, CHAINS_FILE: len(chains.chains)},
            details={"stages": chains.stages},
        )


def _image_ids(store: Store, chain: CheckedChain) -> pa.Table:
    return open_shard(store, chain.shards.image_set).table(IMAGES_FILE, _IMAGE_ID)


def _divide(table: pa.Table, parts: _Parts) -> None:
    """Adds the rows to the parts of their ids' first bytes."""
    ids = table["image_id"].combine_chunks()
    if not len(ids):
        return
    _, offsets, data = ids.buffers()
    begins = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids)]
    first = np.frombuffer(data, np.uint8)[begins]
    for byte in np.unique(first):
        parts[int(byte)].append(table.take(pa.array(np.flatnonzero(first == byte))))


def _sorted(parts: _Parts) -> Iterator[pa.Table]:
    """The rows in order of their ids; empties the parts."""
    for byte in sorted(parts):
        table = pa.concat_tables(parts.pop(byte)).combine_chunks()
        keys = [(name, "ascending") for name in table.column_names]
        yield table.take(pc.sort_indices(table, sort_keys=keys))


def _chains_table(chains: CheckedChains) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "caption_set": one.shards.caption_set.path,
                "caption_set_digest": one.shards.caption_set.digest,
                "image_set": one.shards.image_set.path,
                "image_set_digest": one.shards.image_set.digest,
                "score_set": one.shards.score_set.path,
                "score_set_digest": one.shards.score_set.digest,
                "generation": one.generation,
            }
            for one in chains.chains
        ],
        CHAINS,
    )
