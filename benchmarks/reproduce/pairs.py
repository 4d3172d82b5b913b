"""Pairs of a pool, one by one, and pairs of one's own choice as shards of a run."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from PIL import Image

from synthvlm.dataset.chains import ShardChain
from synthvlm.storage import Commit, ShardKey, Store, open_shard, sha256_digest, verified_image
from synthvlm.storage.schemas import (
    CAPTIONS,
    CAPTIONS_FILE,
    IMAGES,
    IMAGES_FILE,
    IMAGES_TAR,
    SCORES,
    SCORES_FILE,
)
from synthvlm.storage.tables import table_bytes
from synthvlm.storage.tar import TarFile

_MEDIA_TYPES: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Pair:
    """A caption with an image of it; ``image_id`` is empty for an image that is in no pool."""

    caption: str
    caption_id: str
    image: bytes
    image_id: str = ""


def pairs_of(store: Store, chains: Iterable[ShardChain]) -> Iterator[Pair]:
    """All pairs with scores, in the order of the chains and within them of the images."""
    for chain in chains:
        captions = open_shard(store, chain.caption_set).table(CAPTIONS_FILE, CAPTIONS)
        texts = dict(
            zip(captions["caption_id"].to_pylist(), captions["text"].to_pylist(), strict=True)
        )
        scored = set(
            open_shard(store, chain.score_set).table(SCORES_FILE, SCORES)["image_id"].to_pylist()
        )
        images = open_shard(store, chain.image_set)
        for row in images.table(IMAGES_FILE, IMAGES).to_pylist():
            if row["image_id"] in scored:
                data = verified_image(store, images.path(IMAGES_TAR), row)
                yield Pair(texts[row["caption_id"]], row["caption_id"], data, row["image_id"])


def as_chain(store: Store, pairs: Sequence[Pair], chosen: dict[str, Any]) -> ShardChain:
    """Commits pairs as a run would have left them: each a caption with its only image.

    Args:
        store: Where to.
        pairs: The pairs; a caption may occur several times.
        chosen: How they were chosen, as JSON values; a part of the shards' keys.
    """
    ids = [
        hashlib.sha256(f"pair {number}".encode()).hexdigest()[:32] for number in range(len(pairs))
    ]
    captions = pa.Table.from_pylist(
        [
            {"caption_id": name, "text": pair.caption, "source_id": None, "stats": []}
            for name, pair in zip(ids, pairs, strict=True)
        ],
        CAPTIONS,
    )
    texts = {CAPTIONS_FILE: table_bytes(captions, CAPTIONS)}
    inputs = {"pairs": _digest(pairs)}
    caption_set = Commit(store, ShardKey("captions", inputs, chosen)).finish(texts, len(pairs))
    of_captions = {"captions": caption_set.digest}
    image_set = Commit(store, ShardKey("images", of_captions, chosen)).finish(
        _image_files(pairs, ids), len(pairs)
    )
    scores = pa.Table.from_pylist(
        [
            {
                "image_id": name,
                "caption_id": name,
                "repeat": 0,
                "clip_score": 1.0,
                "ssim_score": 1.0,
                "weighted_score": 1.0,
            }
            for name in ids
        ],
        SCORES,
    )
    key = ShardKey("scores", {**of_captions, "images": image_set.digest}, chosen)
    score_set = Commit(store, key).finish({SCORES_FILE: table_bytes(scores, SCORES)}, len(pairs))
    return ShardChain(caption_set, image_set, score_set)


def _image_files(pairs: Sequence[Pair], ids: Sequence[str]) -> dict[str, bytes]:
    rows, buffer = [], io.BytesIO()
    with TarFile(buffer) as tar:
        for name, pair in zip(ids, pairs, strict=True):
            with Image.open(io.BytesIO(pair.image)) as image:
                (width, height), kind = image.size, image.format or "PNG"
            file = f"{name}.{'jpg' if kind == 'JPEG' else kind.lower()}"
            offset, size = tar.add(file, pair.image)
            rows.append(
                {
                    "image_id": name,
                    "caption_id": name,
                    "repeat": 0,
                    "seed": 0,
                    "file": file,
                    "media_type": _MEDIA_TYPES[kind],
                    "width": width,
                    "height": height,
                    "offset": offset,
                    "size": size,
                    "sha256": sha256_digest(pair.image),
                    "truncated": False,
                }
            )
    table = table_bytes(pa.Table.from_pylist(rows, IMAGES), IMAGES)
    return {IMAGES_TAR: buffer.getvalue(), IMAGES_FILE: table}


def _digest(pairs: Sequence[Pair]) -> str:
    whole = hashlib.sha256()
    for pair in pairs:
        whole.update(sha256_digest(pair.caption.encode()).encode())
        whole.update(sha256_digest(pair.image).encode())
    return f"sha256:{whole.hexdigest()}"
