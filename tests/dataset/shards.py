"""Writes CaptionSets, ImageSets and ScoreSets through the real commit protocol."""

import hashlib
import io
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from synthvlm.dataset.chains import ShardChain
from synthvlm.storage import Commit, FileEntry, ShardKey, ShardRef, Store, sha256_digest
from synthvlm.storage.schemas import CAPTIONS, IMAGES, SCORES
from synthvlm.storage.tables import table_bytes
from synthvlm.storage.tar import TarFile

MODEL = sha256_digest(b"model")


@dataclass(frozen=True)
class Scored:
    """One image of a caption, with its scores."""

    caption: str
    repeat: int
    clip: float
    weighted: float
    ssim: float = 0.5


def caption_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def image_id(text: str, repeat: int) -> str:
    return hashlib.sha256(f"{text} #{repeat}".encode()).hexdigest()[:32]


def picture(text: str, repeat: int) -> bytes:
    """A JPEG of 8 x 8 pixels that no other caption and repeat has."""
    colour = tuple(hashlib.sha256(f"{text} #{repeat}".encode()).digest()[:3])
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def captions_shard(store: Store, texts: Sequence[str]) -> ShardRef:
    table = pa.Table.from_pylist(
        [
            {
                "caption_id": caption_id(text),
                "text": text,
                "source": "test",
                "source_id": str(index) if index % 2 else None,
                "stats": [("alnum_ratio", 0.9)],
            }
            for index, text in enumerate(texts)
        ],
        CAPTIONS,
    )
    key = ShardKey(
        "captions", {"pool": sha256_digest("\n".join(texts).encode())}, {"recipe": "paper-rules"}
    )
    files = {"captions.parquet": table_bytes(table, CAPTIONS)}
    return Commit(store, key).finish(files, records=table.num_rows)


def images_shard(
    store: Store, captions: ShardRef, images: Sequence[tuple[str, int]], steps: int = 20
) -> ShardRef:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.tar"
        with TarFile(path) as tar:
            for text, repeat in images:
                data, key = picture(text, repeat), image_id(text, repeat)
                offset, size = tar.add(f"{key}.jpg", data)
                rows.append(
                    {
                        "image_id": key,
                        "caption_id": caption_id(text),
                        "repeat": repeat,
                        "seed": int(key[:15], 16),
                        "file": f"{key}.jpg",
                        "media_type": "image/jpeg",
                        "width": 8,
                        "height": 8,
                        "offset": offset,
                        "size": size,
                        "sha256": sha256_digest(data),
                        "truncated": False,
                    }
                )
        shard_key = ShardKey(
            "images",
            {"captions": captions.digest},
            {"sampling": {"steps": steps}, "format": "jpeg", "run_seed": 7},
            MODEL,
        )
        files: dict[str, bytes | Path | FileEntry] = {
            "images.tar": path,
            "images.parquet": table_bytes(pa.Table.from_pylist(rows, IMAGES), IMAGES),
        }
        return Commit(store, shard_key).finish(files, records=len(rows))


def scores_shard(
    store: Store, captions: ShardRef, images: ShardRef, scored: Sequence[Scored]
) -> ShardRef:
    table = pa.Table.from_pylist(
        [
            {
                "image_id": image_id(one.caption, one.repeat),
                "caption_id": caption_id(one.caption),
                "repeat": one.repeat,
                "clip_score": one.clip,
                "ssim_score": one.ssim,
                "weighted_score": one.weighted,
            }
            for one in scored
        ],
        SCORES,
    )
    data = table_bytes(table, SCORES)
    # Tests score the same images in many ways: what a real stage's key would tell apart.
    key = ShardKey(
        "scores",
        {"captions": captions.digest, "images": images.digest},
        {"clip_weight": 0.5, "test": sha256_digest(data)},
        MODEL,
    )
    return Commit(store, key).finish({"scores.parquet": data}, records=table.num_rows)


def chain_of(store: Store, scored: Sequence[Scored], steps: int = 20) -> ShardChain:
    """A chain that holds exactly these images."""
    texts = list(dict.fromkeys(one.caption for one in scored))
    captions = captions_shard(store, texts)
    images = images_shard(store, captions, [(one.caption, one.repeat) for one in scored], steps)
    return ShardChain(captions, images, scores_shard(store, captions, images, scored))


def run_of(
    store: Store, captions: int = 20, repeats: int = 2, shards: int = 2, seed: int = 0
) -> list[ShardChain]:
    """A run of random scores over several shards."""
    rng = random.Random(seed)
    scored = [
        [
            Scored(f"caption {number} of shard {shard}", repeat, rng.random(), rng.random())
            for number in range(captions // shards)
            for repeat in range(repeats)
        ]
        for shard in range(shards)
    ]
    return [chain_of(store, one) for one in scored]
