"""A committed ImageSet shard, as the stages after generation read it."""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from PIL import Image

from synthvlm.storage import Commit, ShardKey, ShardRef, Store, sha256_digest
from synthvlm.storage.schemas import IMAGES, IMAGES_FILE, IMAGES_TAR
from synthvlm.storage.tables import table_bytes
from synthvlm.storage.tar import TarFile


def picture(seed: int = 0, side: int = 24, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """An encoded image, different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (side // 8 + 1, side // 8 + 1, 3), np.uint8)
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def commit_image_set(store: Store, captions: ShardRef, images: Sequence[bytes]) -> ShardRef:
    """Commits a shard of encoded images, by turns for each caption of a shard."""
    rows = []
    buffer = io.BytesIO()
    with TarFile(buffer) as tar:
        for index, data in enumerate(images):
            caption, repeat = index % captions.records, index // captions.records
            offset, size = tar.add(f"i{index:04d}.png", data)
            tar.add(f"i{index:04d}.txt", b"the caption")
            rows.append(
                {
                    "image_id": f"i{index:04d}",
                    "caption_id": f"c{caption:04d}",
                    "repeat": repeat,
                    "seed": index,
                    "file": f"i{index:04d}.png",
                    "media_type": "image/png",
                    "width": 24,
                    "height": 24,
                    "offset": offset,
                    "size": size,
                    "sha256": sha256_digest(data),
                    "truncated": False,
                }
            )
    files: dict[str, bytes] = {
        IMAGES_TAR: buffer.getvalue(),
        IMAGES_FILE: table_bytes(pa.Table.from_pylist(rows, IMAGES), IMAGES),
    }
    key = ShardKey(
        "images", {"captions": captions.digest}, {"tar": sha256_digest(files[IMAGES_TAR])}
    )
    return Commit(store, key).finish(files, records=len(rows))
