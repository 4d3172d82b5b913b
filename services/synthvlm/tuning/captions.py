"""The captions that every cell synthesises: a sample of those that curation keeps.

The sample is a caption file like any other: the caption service imports and curates it, so the
search has a CaptionSet that every other stage could use too.
"""

import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from synthvlm.atomic_files import atomically_replaced
from synthvlm.caption.v1 import caption_pb2
from synthvlm.client import CaptionClient
from synthvlm.errors import InvalidInput
from synthvlm.storage import ShardRef, Store, open_shard
from synthvlm.storage.protos import ref_from_proto
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE
from synthvlm.storage.v1 import shard_pb2

MOST_CAPTIONS = 100_000
"""Captions in the largest sample: as many as one shard may hold."""

_COLUMNS = pa.schema([CAPTIONS.field("caption_id"), CAPTIONS.field("text")])
_ROWS = 4096


def sample(
    client: CaptionClient,
    store: Store,
    files: caption_pb2.ImportCaptionsRequest,
    recipe: str,
    count: int,
    seed: int,
    to: Path,
) -> ShardRef:
    """A CaptionSet of captions drawn from those that curation keeps.

    Whatever was imported, curated or drawn before is reused.

    Args:
        client: The caption service.
        store: Where everything goes.
        files: Caption files, and how they are read; its store is not used.
        recipe: YAML of the recipe, or ``paper-rules``.
        count: Captions to draw, at most ``MOST_CAPTIONS``; all if there are fewer.
        seed: Seed of the draw.
        to: The caption file that the drawn captions are written to; the service reads it.

    Raises:
        InvalidInput: Curation keeps no caption.
        DomainError: The caption service refused a file or the recipe.
    """
    write_sample(store, _curated(client, store, files, recipe), count, seed, to)
    chosen = caption_pb2.ImportCaptionsRequest(files=[str(to)], shard_size=MOST_CAPTIONS)
    (drawn,) = _curated(client, store, chosen, recipe)
    return drawn


def write_sample(
    store: Store, caption_sets: Sequence[ShardRef], count: int, seed: int, to: Path
) -> None:
    """Writes captions drawn from CaptionSets, all with equal probability, as JSON lines.

    Which ones are drawn depends on their texts and the seed, not on their order: a caption that is
    added to the files displaces at most one other. A repeated text is drawn once.

    Args:
        store: Where the CaptionSets are.
        caption_sets: What to draw from.
        count: Captions to draw; all if there are fewer.
        seed: Seed of the draw.
        to: The file; its folder exists. Replaced as a whole.

    Raises:
        InvalidInput: Curation keeps no caption.
    """
    ranks = {_rank(seed, text) for _, text in _captions(store, caption_sets)}
    drawn = set(heapq.nsmallest(count, ranks))
    if not drawn:
        raise InvalidInput("curation keeps no caption of these files; nothing can be compared")
    with (
        atomically_replaced(to) as fresh,
        fresh.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for caption_id, text in _captions(store, caption_sets):
            rank = _rank(seed, text)
            if rank in drawn:
                drawn.discard(rank)
                line = {"id": caption_id, "caption": text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _curated(
    client: CaptionClient,
    store: Store,
    files: caption_pb2.ImportCaptionsRequest,
    recipe: str,
) -> list[ShardRef]:
    place = shard_pb2.ShardStore(uri=store.uri)
    request = caption_pb2.ImportCaptionsRequest(store=place)
    request.MergeFrom(files)
    return [
        ref_from_proto(
            client.curate_shard(
                caption_pb2.CurateShardRequest(store=place, pool=pool, recipe_yaml=recipe)
            ).caption_set
        )
        for pool in client.import_captions(request).shards
    ]


def _rank(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{text}".encode()).digest()


def _captions(store: Store, caption_sets: Sequence[ShardRef]) -> Iterator[tuple[str, str]]:
    """Ids and texts, in the order of the files."""
    for ref in caption_sets:
        for batch in open_shard(store, ref).batches(CAPTIONS_FILE, _COLUMNS, _ROWS):
            yield from zip(
                batch.column("caption_id").to_pylist(),
                batch.column("text").to_pylist(),
                strict=True,
            )
