"""A CaptionSet shard becomes an ImageSet shard.

The images of a shard are numbered: caption by caption, and within a caption repeat by repeat.
Batches are cut from that sequence.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from synthvlm.generation.encoding import ImageFormat, Mark, encode
from synthvlm.generation.engine import Engine, ImageRequest, Sample, Sampling
from synthvlm.generation.image_set_files import PART, ImageSetFiles
from synthvlm.generation.seeds import image_id, image_seed
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.batch_stage import Attempt, Batch, BatchStage, MadeShard
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE

CODE_VERSION = 1
"""Raised whenever this code gives other images for the same key."""

_CAPTION_COLUMNS = pa.schema([CAPTIONS.field("caption_id"), CAPTIONS.field("text")])
_READ_ROWS = 1024


@dataclass(frozen=True)
class ImageSetRequest:
    """What to make of a CaptionSet shard.

    Attributes:
        caption_set: The shard of captions.
        repeats: Images a caption.
        run_seed: Seed of the run.
        sampling: Complete sampling parameters.
        image_format: Encoding of the images.
        model_digest: The model that the caller expects; empty: any.
    """

    caption_set: ShardRef
    repeats: int
    run_seed: int
    sampling: Sampling
    image_format: ImageFormat
    model_digest: str = ""


@dataclass(frozen=True)
class _Image:
    """One image to make."""

    caption_id: str
    text: str
    repeat: int


class ImageSetMaker:
    """Makes ImageSet shards with an engine; calls may come from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stage = BatchStage()

    def make(self, store: Store, request: ImageSetRequest, reporter: Reporter) -> MadeShard:
        """Makes the shard, or finds it made.

        Args:
            store: Where captions are read and images are written.
            request: What to make.
            reporter: Told of every finished batch, and asked in every denoising step.

        Raises:
            PreconditionFailed: The engine holds another model than the request expects.
            NotFound: There is no such CaptionSet shard.
            DataCorrupt: Stored bytes are damaged.
            OperationCancelled: The reporter says that nobody waits any more; finished batches stay.
        """
        key = self._key(request)
        key.require_model(request.model_digest)

        def begin() -> Attempt:
            captions = open_shard(store, request.caption_set)
            rows = captions.batches(CAPTIONS_FILE, _CAPTION_COLUMNS, _READ_ROWS)
            images = (
                _Image(row["caption_id"], row["text"], repeat)
                for batch in rows
                for row in batch.to_pylist()
                for repeat in range(request.repeats)
            )
            return Attempt(
                records=captions.manifest.records * request.repeats,
                batches=(
                    Batch(len(batch), partial(self._rows, batch, request, reporter))
                    for batch in _cut(images, self._engine.batch_size)
                ),
                part=PART,
                files=partial(ImageSetFiles, image_format=request.image_format),
            )

        return self._stage.make(Commit(store, key), begin, reporter)

    def _rows(
        self, batch: Sequence[_Image], request: ImageSetRequest, reporter: Reporter
    ) -> list[dict[str, Any]]:
        """Makes a batch; its rows of ``PART``."""
        seeds = [image_seed(one.caption_id, one.repeat, request.run_seed) for one in batch]
        samples = self._engine.batch(
            [
                ImageRequest(one.text, seed, request.sampling)
                for one, seed in zip(batch, seeds, strict=True)
            ],
            reporter,
        )
        return [
            self._row(one, seed, sample, request)
            for one, seed, sample in zip(batch, seeds, samples, strict=True)
        ]

    def _row(
        self, image: _Image, seed: int, sample: Sample, request: ImageSetRequest
    ) -> dict[str, Any]:
        digest = self._engine.model_digest
        mark = Mark(digest, sha256_digest(image.text.encode()), seed)
        return {
            "image_id": image_id(
                image.caption_id,
                image.repeat,
                seed,
                digest,
                request.sampling,
                request.image_format.value,
            ),
            "caption_id": image.caption_id,
            "text": image.text,
            "repeat": image.repeat,
            "seed": seed,
            "width": sample.pixels.shape[1],
            "height": sample.pixels.shape[0],
            "truncated": sample.truncated,
            "data": None if sample.defect else encode(sample.pixels, request.image_format, mark),
            "defect": sample.defect,
        }

    def _key(self, request: ImageSetRequest) -> ShardKey:
        return ShardKey(
            kind="images",
            inputs={"captions": request.caption_set.digest},
            configuration={
                "sampling": request.sampling.to_json(),
                "repeats": request.repeats,
                "run_seed": request.run_seed,
                "format": request.image_format.value,
                # Parts are batches: attempts with other batches must not share them.
                "batch_size": self._engine.batch_size,
                "numerics": dict(self._engine.numerics),
            },
            model_digest=self._engine.model_digest,
            code_version=CODE_VERSION,
        )


def _cut(images: Iterator[_Image], size: int) -> Iterator[list[_Image]]:
    while batch := list(itertools.islice(images, size)):
        yield batch
