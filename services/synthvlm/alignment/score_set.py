"""A CaptionSet and an ImageSet shard become a ScoreSet shard.

Scores that exist in the store are taken, the others are made. Besides the captions' texts, only the
batch in hand is in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from synthvlm.alignment.decoding import Unusable
from synthvlm.alignment.made_scores import MADE, ScoreIdentities, text_of, texts_of
from synthvlm.alignment.scorer import Pair, PairScore, ScoreParameters, Scorer, pair_score
from synthvlm.alignment.weighted import Weighting
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, Shard, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.batch_places import Places
from synthvlm.storage.batch_stage import Attempt, BatchStage, Item, MadeShard
from synthvlm.storage.made import NOTHING, MadeIndex
from synthvlm.storage.manifest import damaged
from synthvlm.storage.parts import Fresh
from synthvlm.storage.schemas import (
    IMAGES,
    IMAGES_FILE,
    IMAGES_TAR,
    SCORES,
    SCORES_FILE,
)
from synthvlm.storage.shard_files import Row, ShardFiles

KIND = "scores"
"""Kind of the shards."""

CODE_VERSION = 1
"""Raised whenever this code gives other scores for the same key."""

MAX_IMAGE_BYTES = 64 * 2**20
"""Most bytes of an encoded image in a shard: more than any image within the limit of pixels has."""

_TOO_LARGE = Unusable("too_many_bytes", f"must have at most {MAX_IMAGE_BYTES} bytes")
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

    def __init__(self, folder: Path, weighting: Weighting) -> None:
        super().__init__(folder, SCORES_FILE, SCORES)
        self._weighting = weighting

    def add(self, rows: Sequence[Row]) -> None:
        """Appends pairs: what they are called, and what was made."""
        self.append(
            made=[self._weighted(row) for row in rows if row["reason"] is None],
            failed=[row for row in rows if row["reason"] is not None],
        )

    def _weighted(self, row: Row) -> dict[str, Any]:
        return {**row, **asdict(pair_score(row["clip_score"], row["ssim_score"], self._weighting))}


class ScoreSetMaker:
    """Makes ScoreSet shards with a scorer; calls may come from many threads.

    Args:
        scorer: The scorer.
        index: Where scores of other shards are found.
    """

    def __init__(self, scorer: Scorer, index: MadeIndex = NOTHING) -> None:
        self._scorer = scorer
        self._engine = scorer.engine
        self._index = index
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
            OperationCancelled: The caller has gone; finished batches stay.
            Unavailable: The store or the index cannot be reached.
        """
        key = self._key(request)
        key.require_model(request.model_digest)
        with ExitStack() as stack:

            def begin() -> Attempt:
                captions = open_shard(store, request.caption_set)
                images = open_shard(store, request.image_set)
                _require_same_captions(captions, images)
                tar = stack.enter_context(closing(store.open(images.path(IMAGES_TAR))))
                return Attempt(
                    records=images.manifest.records,
                    items=self._items(images, texts_of(captions), request),
                    places=Places(self._scorer.batch_size),
                    make=partial(
                        self._score, images=images, tar=tar, request=request, reporter=reporter
                    ),
                    columns=MADE,
                    files=partial(ScoreSetFiles, weighting=request.parameters.weighting),
                    index=self._index,
                )

            return self._stage.make(Commit(store, key), begin, reporter)

    def _items(
        self, images: Shard, texts: Mapping[str, str], request: ScoreSetRequest
    ) -> Iterator[Item]:
        identities = ScoreIdentities(
            CODE_VERSION,
            self._engine.model_digest,
            self._scorer.numerics,
            request.parameters.prompt_prefix,
            request.parameters.vlm_size,
        )
        for batch in images.batches(IMAGES_FILE, _IMAGE_COLUMNS, _READ_ROWS):
            for row in batch.to_pylist():
                text = text_of(row, texts)
                yield Item(identities.of(row["sha256"], text), {**row, "text": text})

    def _score(
        self,
        items: Sequence[Item],
        images: Shard,
        tar: BinaryIO,
        request: ScoreSetRequest,
        reporter: Reporter,
    ) -> list[Fresh]:
        """Scores a batch."""
        rows = [item.names for item in items]
        readable = [row for row in rows if row["size"] <= MAX_IMAGE_BYTES]
        pairs = [Pair(_image(row, images, tar), row["text"]) for row in readable]
        scores = self._scorer.score(pairs, request.parameters, reporter)
        by_id = {row["image_id"]: score for row, score in zip(readable, scores, strict=True)}
        return [_fresh(by_id.get(row["image_id"], _TOO_LARGE)) for row in rows]

    def _key(self, request: ScoreSetRequest) -> ShardKey:
        return ShardKey(
            kind=KIND,
            inputs={
                "captions": request.caption_set.digest,
                "images": request.image_set.digest,
            },
            configuration={
                "parameters": asdict(request.parameters),
                "batch_size": self._scorer.batch_size,
                "numerics": dict(self._scorer.numerics),
            },
            model_digest=self._engine.model_digest,
            code_version=CODE_VERSION,
        )


def _require_same_captions(captions: Shard, images: Shard) -> None:
    if images.manifest.inputs.get("captions") != captions.ref.digest:
        message = "is not the CaptionSet that the images of image_set were made from"
        raise InvalidInput(f"caption_set {message}", [FieldViolation("caption_set", message)])


def _image(row: Mapping[str, Any], images: Shard, tar: BinaryIO) -> bytes:
    # Damage is an error, not a failed image: it must not be committed under the key of good bytes.
    tar.seek(row["offset"])
    data = bytes(tar.read(row["size"]))
    if sha256_digest(data) != row["sha256"]:
        raise DataCorrupt(
            damaged(
                images.store,
                images.path(IMAGES_TAR),
                f"{row['file']} does not have the digest {row['sha256']}",
            ),
            {"image_id": row["image_id"]},
        )
    return data


def _fresh(score: PairScore | Unusable) -> Fresh:
    if isinstance(score, Unusable):
        return Fresh({"clip_score": None, "ssim_score": None, "reason": score.reason})
    values = {"clip_score": score.clip_score, "ssim_score": score.ssim_score, "reason": None}
    return Fresh(values)
