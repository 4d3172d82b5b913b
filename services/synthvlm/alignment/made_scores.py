"""Scores by identity: what decides them, and those of committed shards.

The weighted score is not kept: it is formed of the other two whenever it is written, so another
weight needs no new scores.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from synthvlm.errors import DataCorrupt
from synthvlm.storage import Shard, sha256_digest
from synthvlm.storage.made import Made, identity_of
from synthvlm.storage.schemas import (
    CAPTIONS,
    CAPTIONS_FILE,
    FAILED,
    FAILED_FILE,
    IMAGES,
    IMAGES_FILE,
    SCORES,
    SCORES_FILE,
)

MADE = pa.schema(
    [
        SCORES.field("clip_score").with_nullable(True),
        SCORES.field("ssim_score").with_nullable(True),
        pa.field("reason", pa.string(), nullable=True),
    ]
)
"""What is kept of a pair's scores. They are null where ``reason`` says why there are none."""

_CAPTION_COLUMNS = pa.schema([CAPTIONS.field("caption_id"), CAPTIONS.field("text")])
_IMAGE_COLUMNS = pa.schema([IMAGES.field(name) for name in ("image_id", "caption_id", "sha256")])
_ROWS = 1000


class ScoreIdentities:
    """The identities of the scores of one model that is asked in one way.

    Scores of the same image and caption have another identity when any of these differs.

    Args:
        code_version: Of the code that makes the scores.
        model_digest: ``sha256:`` digest of the model.
        numerics: The scorer's.
        prompt_prefix: What is put in front of captions.
        vlm_size: What SSIMScore downsamples to, in pixels.
    """

    def __init__(
        self,
        code_version: int,
        model_digest: str,
        numerics: Mapping[str, Any],
        prompt_prefix: str,
        vlm_size: int,
    ) -> None:
        asked = identity_of(
            "score", code_version, model_digest, dict(numerics), prompt_prefix, vlm_size
        )
        self._asked = asked.hex()

    def of(self, image_digest: str, caption: str) -> bytes:
        """The identity of the scores of one pair."""
        return identity_of(self._asked, image_digest, sha256_digest(caption.encode()))


def texts_of(captions: Shard) -> dict[str, str]:
    """The captions of a CaptionSet by id."""
    rows = captions.batches(CAPTIONS_FILE, _CAPTION_COLUMNS, _ROWS)
    return {row["caption_id"]: row["text"] for batch in rows for row in batch.to_pylist()}


def text_of(image: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """The caption of an image.

    Raises:
        DataCorrupt: It is not among the texts.
    """
    try:
        return texts[image["caption_id"]]
    except KeyError:
        raise DataCorrupt(
            f"the caption {image['caption_id']} of image {image['image_id']} is not in the "
            f"CaptionSet"
        ) from None


def scores_of(shard: Shard, images: Shard, captions: Shard) -> Iterator[dict[bytes, Made]]:
    """The scores of a committed ScoreSet by identity, some at a time; failed ones included.

    Args:
        shard: The ScoreSet.
        images: The ImageSet that was scored.
        captions: The CaptionSet that this was made from.

    Raises:
        DataCorrupt: The shards do not belong together, or are damaged.
    """
    manifest = shard.manifest
    parameters = manifest.configuration["parameters"]
    identities = ScoreIdentities(
        manifest.code_version,
        manifest.model_digest,
        manifest.configuration["numerics"],
        parameters["prompt_prefix"],
        parameters["vlm_size"],
    )
    texts = texts_of(captions)
    places = {
        row["image_id"]: identities.of(row["sha256"], text_of(row, texts))
        for batch in images.batches(IMAGES_FILE, _IMAGE_COLUMNS, _ROWS)
        for row in batch.to_pylist()
    }
    for name, schema in ((SCORES_FILE, SCORES), (FAILED_FILE, FAILED)):
        for batch in shard.batches(name, schema, _ROWS):
            rows = batch.to_pylist()
            unknown = next((row for row in rows if row["image_id"] not in places), None)
            if unknown is not None:
                raise DataCorrupt(
                    f"the image {unknown['image_id']} of {shard.ref.path} is not in "
                    f"{images.ref.path}"
                )
            yield {
                places[row["image_id"]]: Made({name: row.get(name) for name in MADE.names})
                for row in rows
            }
