"""A CaptionSet and an ImageSet shard become a ScoreSet shard.

Batches are cut from the ImageSet's index. Besides the captions' texts, only the batch in hand is in
memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from synthvlm.alignment.decoding import Unusable
from synthvlm.alignment.scorer import Pair, PairScore, ScoreParameters, Scorer
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, Shard, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.batch_stage import Attempt, Batch, BatchStage, MadeShard
from synthvlm.storage.schemas import (
    CAPTIONS,
    CAPTIONS_FILE,
    IMAGES,
    IMAGES_FILE,
    IMAGES_TAR,
    SCORES,
    SCORES_FILE,
)
from synthvlm.storage.shard_files import Row, ShardFiles

CODE_VERSION = 1
"""Raised whenever this code gives other scores for the same key."""

MAX_IMAGE_BYTES = 64 * 2**20
"""Most bytes of an encoded image in a shard: more than any image within the limit of pixels has."""

PART = pa.schema(
    [
        *[field.with_nullable(True) for field in SCORES],
        pa.field("reason", pa.string(), nullable=True),
    ]
)
"""A finished batch. Scores are null where ``reason`` says why there are none."""

_TOO_LARGE = Unusable("too_many_bytes", f"must have at most {MAX_IMAGE_BYTES} bytes")
_CAPTION_COLUMNS = pa.schema([CAPTIONS.field("caption_id"), CAPTIONS.field("text")])
_IMAGE_COLUMNS = pa.schema(
    [
        IMAGES.field(name)
        for name in ("image_id", "caption_id", "repeat", "file", "offset", "size", "sha256")
    ]
)
_READ_ROWS = 1024


@dataclass(frozen=True)
class ScoreSetRequest:
    """What to score.

    Attributes:
        caption_set: The shard that the images were made from.
        image_set: The shard of images.
        parameters: Complete parameters.
        model_digest: The model that the caller expects; empty: any.
    """

    caption_set: ShardRef
    image_set: ShardRef
    parameters: ScoreParameters
    model_digest: str = ""


class ScoreSetFiles(ShardFiles):
    """The scores, and the images that could not be scored."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SCORES_FILE, SCORES)

    def add(self, rows: Sequence[Row]) -> None:
        """Appends a finished batch: rows of ``PART``."""
        self.append(
            made=[row for row in rows if row["reason"] is None],
            failed=[row for row in rows if row["reason"] is not None],
        )


class ScoreSetMaker:
    """Makes ScoreSet shards with a scorer; calls may come from many threads."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._engine = scorer.engine
        self._stage = BatchStage()

    def make(self, store: Store, request: ScoreSetRequest, reporter: Reporter) -> MadeShard:
        """Makes the shard, or finds it made.

        Args:
            store: Where captions and images are read and scores are written.
            request: What to score.
            reporter: Told of every finished batch, and asked before every image.

        Raises:
            PreconditionFailed: The engine holds another model than the request expects.
            InvalidInput: The images were made from other captions.
            NotFound: There is no such CaptionSet or ImageSet shard.
            DataCorrupt: Stored bytes are damaged.
            OperationCancelled: The reporter says that nobody waits any more; finished batches stay.
        """
        key = self._key(request)
        key.require_model(request.model_digest)

        def begin() -> Attempt:
            captions = open_shard(store, request.caption_set)
            images = open_shard(store, request.image_set)
            _require_same_captions(captions, images)
            return Attempt(
                records=images.manifest.records,
                batches=self._batches(images, _texts(captions), request, reporter),
                part=PART,
                files=ScoreSetFiles,
            )

        return self._stage.make(Commit(store, key), begin, reporter)

    def _batches(
        self,
        images: Shard,
        texts: Mapping[str, str],
        request: ScoreSetRequest,
        reporter: Reporter,
    ) -> Iterator[Batch]:
        with closing(images.store.open(images.path(IMAGES_TAR))) as tar:
            for batch in images.batches(IMAGES_FILE, _IMAGE_COLUMNS, self._scorer.batch_size):
                work = partial(self._score, batch, texts, tar, request, reporter)
                yield Batch(batch.num_rows, work)

    def _score(
        self,
        batch: pa.RecordBatch,
        texts: Mapping[str, str],
        tar: BinaryIO,
        request: ScoreSetRequest,
        reporter: Reporter,
    ) -> list[dict[str, Any]]:
        """Scores a batch; its rows of ``PART``."""
        rows = batch.to_pylist()
        readable = [row for row in rows if row["size"] <= MAX_IMAGE_BYTES]
        pairs = [Pair(_image(row, tar), _text(row, texts)) for row in readable]
        scores = self._scorer.score(pairs, request.parameters, reporter)
        by_id = {row["image_id"]: score for row, score in zip(readable, scores, strict=True)}
        return [_row(row, by_id.get(row["image_id"], _TOO_LARGE)) for row in rows]

    def _key(self, request: ScoreSetRequest) -> ShardKey:
        return ShardKey(
            kind="scores",
            inputs={
                "captions": request.caption_set.digest,
                "images": request.image_set.digest,
            },
            configuration={
                "parameters": asdict(request.parameters),
                # Parts are batches: attempts with other batches must not share them.
                "batch_size": self._scorer.batch_size,
                "numerics": dict(self._engine.numerics),
            },
            model_digest=self._engine.model_digest,
            code_version=CODE_VERSION,
        )


def _require_same_captions(captions: Shard, images: Shard) -> None:
    if images.manifest.inputs.get("captions") != captions.ref.digest:
        message = "is not the CaptionSet that the images of image_set were made from"
        raise InvalidInput(f"caption_set {message}", [FieldViolation("caption_set", message)])


def _texts(captions: Shard) -> dict[str, str]:
    rows = captions.batches(CAPTIONS_FILE, _CAPTION_COLUMNS, _READ_ROWS)
    return {row["caption_id"]: row["text"] for batch in rows for row in batch.to_pylist()}


def _text(row: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    try:
        return texts[row["caption_id"]]
    except KeyError:
        raise DataCorrupt(
            f"the caption {row['caption_id']} of image {row['image_id']} is not in the CaptionSet"
        ) from None


def _image(row: Mapping[str, Any], tar: BinaryIO) -> bytes:
    # Damage is an error, not a failed image: it must not be committed under the key of good bytes.
    tar.seek(row["offset"])
    data = bytes(tar.read(row["size"]))
    if sha256_digest(data) != row["sha256"]:
        raise DataCorrupt(
            f"the image {row['image_id']} ({row['file']}) does not have the digest {row['sha256']}",
            {"image_id": row["image_id"]},
        )
    return data


def _row(image: Mapping[str, Any], score: PairScore | Unusable) -> dict[str, Any]:
    names = {name: image[name] for name in ("image_id", "caption_id", "repeat")}
    if isinstance(score, Unusable):
        return {**names, "reason": score.reason}
    return {**names, **asdict(score), "reason": None}
