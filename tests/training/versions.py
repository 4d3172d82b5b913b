"""Dataset versions to train on, as assembly commits them: drawn scenes with true captions."""

import io
import random

import pyarrow as pa
from PIL import Image

from synthvlm.scenes.captions import describe
from synthvlm.scenes.render import render
from synthvlm.scenes.world import sample_scene
from synthvlm.storage import Commit, ShardKey, Store, sha256_digest
from synthvlm.storage.schemas import PAIRS, PAIRS_FILE
from synthvlm.storage.tables import table_bytes
from synthvlm.storage.tar import TarFile
from synthvlm.training.samples import VersionLocation

PER_TAR = 4


def drawn_version(store: Store, captions: list[str] | int, seed: int = 0) -> VersionLocation:
    """A version of so many drawn scenes, or of blank pictures with these captions."""
    rng = random.Random(seed)
    if isinstance(captions, int):
        scenes = [sample_scene(rng) for _ in range(captions)]
        drawn = [(Image.fromarray(render(scene)), describe(scene, rng)) for scene in scenes]
    else:
        drawn = [(Image.new("RGB", (64, 64)), caption) for caption in captions]
    files: dict[str, bytes] = {}
    rows = []
    for start in range(0, len(drawn), PER_TAR):
        name = f"pairs-{start // PER_TAR:06d}.tar"
        buffer = io.BytesIO()
        with TarFile(buffer) as tar:
            for number, (image, caption) in enumerate(drawn[start : start + PER_TAR], start):
                encoded = io.BytesIO()
                image.save(encoded, "PNG")
                data, key = encoded.getvalue(), f"{number:04d}"
                offset, size = tar.add(f"{key}.png", data)
                rows.append(_row(key, caption, name, data, offset, size))
        files[name] = buffer.getvalue()
    files[PAIRS_FILE] = table_bytes(pa.Table.from_pylist(rows, PAIRS), PAIRS)
    identity = ShardKey("dataset", {"selection": sha256_digest(files[PAIRS_FILE])})
    ref = Commit(store, identity).finish(files, records=len(rows))
    return VersionLocation(store.uri, ref.path, ref.digest)


def _row(key: str, caption: str, shard: str, data: bytes, offset: int, size: int) -> dict:
    return {
        "shard": shard,
        "caption_id": key,
        "text": caption,
        "source_id": None,
        "image_id": key,
        "repeat": 0,
        "clip_score": 0.0,
        "ssim_score": 0.0,
        "weighted_score": 0.0,
        "seed": 0,
        "file": f"{key}.png",
        "media_type": "image/png",
        "width": 64,
        "height": 64,
        "offset": offset,
        "size": size,
        "sha256": sha256_digest(data),
        "truncated": False,
        "generation": "sha256:0",
    }
