"""Images by identity: what decides an image, and where those of committed shards lie."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from synthvlm.errors import DataCorrupt
from synthvlm.storage import Shard
from synthvlm.storage.made import Blob, Made, identity_of
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE, IMAGES, IMAGES_FILE, IMAGES_TAR

MADE = pa.schema(
    [
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("defect", pa.string(), nullable=True),
    ]
)
"""What is kept of an image besides its bytes. ``defect`` says why there are none."""

_CAPTION_COLUMNS = pa.schema([CAPTIONS.field("caption_id"), CAPTIONS.field("text")])
_PLACE = ("offset", "size", "sha256")
_IMAGE_COLUMNS = pa.schema(
    [IMAGES.field(name) for name in ("caption_id", "seed", "width", "height", "truncated", *_PLACE)]
)
_ROWS = 1000


class ImageIdentities:
    """The identities of the images of one model that is asked in one way.

    An image of the same prompt and seed has another identity when any of these differs.

    Args:
        code_version: Of the code that makes the images.
        model_digest: ``sha256:`` digest of the model.
        numerics: The engine's.
        sampling: Complete sampling parameters as JSON values.
        image_format: ``jpeg``, ``png`` or ``webp``.
    """

    def __init__(
        self,
        code_version: int,
        model_digest: str,
        numerics: Mapping[str, Any],
        sampling: Mapping[str, Any],
        image_format: str,
    ) -> None:
        asked = identity_of(
            "image", code_version, model_digest, dict(numerics), dict(sampling), image_format
        )
        self._asked = asked.hex()

    def of(self, prompt: str, seed: int) -> bytes:
        """The identity of one image."""
        return identity_of(self._asked, prompt, seed)


def images_of(shard: Shard, captions: Shard) -> Iterator[dict[bytes, Made]]:
    """The images of a committed ImageSet by identity, some at a time.

    Those that could not be made are left out.

    Args:
        shard: The ImageSet.
        captions: The CaptionSet that it was made from.

    Raises:
        DataCorrupt: The shards do not belong together, or are damaged.
    """
    manifest = shard.manifest
    asked = manifest.configuration
    identities = ImageIdentities(
        manifest.code_version,
        manifest.model_digest,
        asked["numerics"],
        asked["sampling"],
        asked["format"],
    )
    rows = captions.batches(CAPTIONS_FILE, _CAPTION_COLUMNS, _ROWS)
    texts = {row["caption_id"]: row["text"] for batch in rows for row in batch.to_pylist()}
    path = shard.path(IMAGES_TAR)
    for batch in shard.batches(IMAGES_FILE, _IMAGE_COLUMNS, _ROWS):
        images = batch.to_pylist()
        try:
            yield {
                identities.of(texts[row["caption_id"]], row["seed"]): Made(
                    {name: row.get(name) for name in MADE.names},
                    Blob(path, *(row[name] for name in _PLACE)),
                )
                for row in images
            }
        except KeyError as error:
            raise DataCorrupt(
                f"the caption {error} of {shard.ref.path} is not in {captions.ref.path}"
            ) from error
