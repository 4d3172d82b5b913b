"""A CaptionSet shard becomes an ImageSet shard.

The images of a shard stand in order: caption by caption, and within a caption repeat by repeat.
Those that exist in the store are taken, the others are made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from synthvlm.generation.encoding import ImageFormat, Mark, encode
from synthvlm.generation.engine import Engine, ImageRequest, Sample, Sampling
from synthvlm.generation.identity import places_of
from synthvlm.generation.image_set_files import ImageSetFiles
from synthvlm.generation.made_images import MADE, ImageIdentities, images_of
from synthvlm.generation.seeds import image_id, image_seed
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, Shard, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.batch_stage import Attempt, BatchStage, Item, MadeShard
from synthvlm.storage.made import NOTHING, MadeIndex
from synthvlm.storage.parts import Fresh
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE
from synthvlm.usage import used_device

KIND = "images"
"""Kind of the shards."""

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


class ImageSetMaker:
    """Makes ImageSet shards with an engine; calls may come from many threads.

    Args:
        engine: The engine.
        index: Where images of other shards are found.
    """

    def __init__(self, engine: Engine, index: MadeIndex = NOTHING) -> None:
        self._engine = engine
        self._places = places_of(engine.numerics, engine.batch_size)
        self._index = index
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
            OperationCancelled: The caller has gone; finished batches stay.
            Unavailable: The store or the index cannot be reached.
        """
        key = self._key(request)
        key.require_model(request.model_digest)

        def begin() -> Attempt:
            captions = open_shard(store, request.caption_set)
            return Attempt(
                records=captions.manifest.records * request.repeats,
                items=self._items(captions, request),
                places=self._places,
                make=partial(self._images, request=request, reporter=reporter),
                columns=MADE,
                files=partial(ImageSetFiles, image_format=request.image_format),
                index=self._index,
            )

        def tell(ref: ShardRef) -> None:
            if self._index is NOTHING:
                return
            captions = open_shard(store, request.caption_set)
            for images in images_of(open_shard(store, ref), captions):
                self._index.enter(images)

        return self._stage.make(Commit(store, key, tell), begin, reporter)

    def _items(self, captions: Shard, request: ImageSetRequest) -> Iterator[Item]:
        digest, sampling = self._engine.model_digest, request.sampling
        image_format = request.image_format.value
        identities = ImageIdentities(
            CODE_VERSION, digest, self._engine.numerics, sampling.to_json(), image_format
        )
        for batch in captions.batches(CAPTIONS_FILE, _CAPTION_COLUMNS, _READ_ROWS):
            for row in batch.to_pylist():
                caption_id, text = row["caption_id"], row["text"]
                for repeat in range(request.repeats):
                    seed = image_seed(caption_id, repeat, request.run_seed)
                    names = {
                        "image_id": image_id(
                            caption_id, repeat, seed, digest, sampling, image_format
                        ),
                        "caption_id": caption_id,
                        "text": text,
                        "repeat": repeat,
                        "seed": seed,
                    }
                    yield Item(identities.of(text, seed), names, self._places.drawn(text, seed))

    def _images(
        self, items: Sequence[Item], request: ImageSetRequest, reporter: Reporter
    ) -> list[Fresh]:
        """Synthesises and encodes a batch."""
        samples = self._engine.batch(
            [
                ImageRequest(item.names["text"], item.names["seed"], request.sampling)
                for item in items
            ],
            reporter,
        )
        used_device(sum(sample.seconds for sample in samples))
        return [
            self._encoded(item, sample, request)
            for item, sample in zip(items, samples, strict=True)
        ]

    def _encoded(self, item: Item, sample: Sample, request: ImageSetRequest) -> Fresh:
        height, width, _ = sample.pixels.shape
        values = {
            "width": width,
            "height": height,
            "truncated": sample.truncated,
            "defect": sample.defect,
        }
        if sample.defect:
            return Fresh(values)
        prompt_digest = sha256_digest(item.names["text"].encode())
        mark = Mark(self._engine.model_digest, prompt_digest, item.names["seed"])
        return Fresh(values, encode(sample.pixels, request.image_format, mark))

    def _key(self, request: ImageSetRequest) -> ShardKey:
        return ShardKey(
            kind=KIND,
            inputs={"captions": request.caption_set.digest},
            configuration={
                "sampling": request.sampling.to_json(),
                "repeats": request.repeats,
                "run_seed": request.run_seed,
                "format": request.image_format.value,
                "batch_size": self._engine.batch_size,
                "numerics": dict(self._engine.numerics),
            },
            model_digest=self._engine.model_digest,
            code_version=CODE_VERSION,
        )
