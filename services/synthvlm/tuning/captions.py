"""The captions that every cell synthesises: a sample of those that curation keeps."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from synthvlm.caption.v1 import caption_pb2
from synthvlm.client import CaptionClient
from synthvlm.errors import InvalidInput
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.protos import ref_from_proto
from synthvlm.storage.schemas import CAPTIONS
from synthvlm.storage.tables import TableFile
from synthvlm.storage.v1 import shard_pb2

FILE = "captions.parquet"
"""Name of the captions in a CaptionSet shard."""

_CODE_VERSION = 1
_ROWS = 4096


def curated(
    client: CaptionClient, store: Store, files: Sequence[str], column: str, recipe: str
) -> list[ShardRef]:
    """Imports caption files and curates them; what was done before is found.

    Raises:
        DomainError: The caption service refused a file or the recipe.
    """
    place = shard_pb2.ShardStore(uri=store.uri)
    request = caption_pb2.ImportCaptionsRequest(store=place, files=files, column=column)
    return [
        ref_from_proto(
            client.curate_shard(
                caption_pb2.CurateShardRequest(store=place, pool=pool, recipe_yaml=recipe)
            ).caption_set
        )
        for pool in client.import_captions(request).shards
    ]


def sampled(store: Store, caption_sets: Sequence[ShardRef], count: int, seed: int) -> ShardRef:
    """Commits a CaptionSet of captions that are drawn from others, all with the same chance.

    Which ones are drawn depends on their ids and the seed, not on their order: a caption that is
    added to the files displaces at most one other.

    Args:
        store: Where the CaptionSets are and the sample goes.
        caption_sets: What to draw from.
        count: Captions to draw; all when there are fewer.
        seed: Of the drawing.

    Raises:
        InvalidInput: There is no caption to draw.
    """
    key = ShardKey(
        "captions",
        {f"captions-{number:06d}": ref.digest for number, ref in enumerate(caption_sets)},
        {"sample": count, "seed": seed},
        code_version=_CODE_VERSION,
    )
    commit = Commit(store, key)
    if ref := commit.find():
        return ref
    ranks = {
        caption: hashlib.sha256(f"{seed}\0{caption}".encode()).digest()
        for batch in _batches(store, caption_sets)
        for caption in batch.column("caption_id").to_pylist()
    }
    drawn = set(sorted(ranks, key=ranks.__getitem__)[:count])
    if not drawn:
        raise InvalidInput("curation keeps no caption of these files; nothing can be compared")
    with tempfile.TemporaryDirectory(prefix="synthvlm-sample-") as folder:
        file = Path(folder) / FILE
        with TableFile(file, CAPTIONS) as table:
            for batch in _batches(store, caption_sets):
                keep = []
                for caption in batch.column("caption_id").to_pylist():
                    keep.append(caption in drawn)
                    drawn.discard(caption)  # one that comes again is drawn once
                table.write(pa.Table.from_batches([batch]).filter(pa.array(keep)))
        return commit.finish({FILE: file}, records=table.rows, file_records={FILE: table.rows})


def _batches(store: Store, caption_sets: Sequence[ShardRef]) -> Iterator[pa.RecordBatch]:
    for ref in caption_sets:
        yield from open_shard(store, ref).batches(FILE, CAPTIONS, _ROWS)
