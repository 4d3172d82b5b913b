"""A CaptionSet shard becomes an ImageSet shard.

The images of a shard are numbered: caption by caption, and within a caption repeat by repeat.
Batches are cut from that sequence at fixed places, so that a batch is the same whether it is made
by the first attempt or by one that goes on after a crash, and each finished batch is kept as a part
of the commit until the shard is committed. Between parts and result nothing but the batch in hand
is in memory: the tar is assembled in a temporary file.
"""

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.assembly import PART, Assembly
from synthvlm.generation.encoding import ImageFormat, Mark, encode
from synthvlm.generation.engine import Engine, ImageRequest, Sample, Sampling
from synthvlm.generation.seeds import image_id, image_seed
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.parts import failures_of, part_bytes
from synthvlm.storage.schemas import CAPTIONS
from synthvlm.storage.turns import Turns

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
class ImageSet:
    """A committed ImageSet shard.

    Attributes:
        ref: The shard: ``images.tar``, ``images.parquet``, ``failed.parquet``.
        generated: Images in it.
        failed: Images that could not be made, by reason.
    """

    ref: ShardRef
    generated: int
    failed: dict[str, int]


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
        self._turns = Turns()

    def make(self, store: Store, request: ImageSetRequest, reporter: Reporter) -> ImageSet:
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
        self._require_model(request.model_digest)
        commit = Commit(store, self._key(request))
        with self._turns.take(commit, reporter):
            if ref := commit.find():
                made = self._committed(store, ref)
                total = made.generated + sum(made.failed.values())
                reporter.report(total, total, resumed=total)
                return made
            with tempfile.TemporaryDirectory(prefix="synthvlm-images-") as folder:
                return self._make(store, request, commit, reporter, Path(folder))

    def _make(
        self,
        store: Store,
        request: ImageSetRequest,
        commit: Commit,
        reporter: Reporter,
        folder: Path,
    ) -> ImageSet:
        captions = open_shard(store, request.caption_set)
        rows = captions.batches("captions.parquet", _CAPTION_COLUMNS, _READ_ROWS)
        images = (
            _Image(row["caption_id"], row["text"], repeat)
            for batch in rows
            for row in batch.to_pylist()
            for repeat in range(request.repeats)
        )
        total = captions.manifest.records * request.repeats
        done = resumed = 0
        reporter.report(done, total)
        with Assembly(folder, request.image_format) as assembly:
            for index, batch in enumerate(_cut(images, self._engine.batch_size)):
                part = commit.read_part(index)
                if part is None:
                    part = self._part(batch, request, reporter)
                    commit.write_part(index, part)
                else:
                    resumed += len(batch)
                assembly.add(part)
                done += len(batch)
                reporter.report(done, total, resumed)
        ref = commit.finish(
            files=assembly.files,
            records=assembly.generated,
            counts=assembly.counts,
            file_records=assembly.file_records,
        )
        return ImageSet(ref, assembly.generated, failures_of(assembly.counts))

    def _part(self, batch: Sequence[_Image], request: ImageSetRequest, reporter: Reporter) -> bytes:
        seeds = [image_seed(one.caption_id, one.repeat, request.run_seed) for one in batch]
        samples = self._engine.batch(
            [
                ImageRequest(one.text, seed, request.sampling)
                for one, seed in zip(batch, seeds, strict=True)
            ],
            reporter,
        )
        rows = [
            self._row(one, seed, sample, request)
            for one, seed, sample in zip(batch, seeds, samples, strict=True)
        ]
        return part_bytes(rows, PART)

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

    def _require_model(self, expected: str) -> None:
        if expected and expected != self._engine.model_digest:
            raise PreconditionFailed(
                "the service has loaded another model than the one that the call expects",
                {"expected": expected, "loaded": self._engine.model_digest},
            )

    @staticmethod
    def _committed(store: Store, ref: ShardRef) -> ImageSet:
        manifest = open_shard(store, ref).manifest
        return ImageSet(ref, manifest.records, failures_of(manifest.counts))


def _cut(images: Iterator[_Image], size: int) -> Iterator[list[_Image]]:
    while batch := list(itertools.islice(images, size)):
        yield batch
