"""A CaptionSet and an ImageSet shard become a ScoreSet shard.

Batches are cut from the ImageSet's index at fixed places, and each finished batch is kept as a part
of the commit until the shard is committed: an attempt that goes on after a crash scores only what
is missing, in the same batches. Besides the captions' texts, only the batch in hand is in memory.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from synthvlm.alignment.assembly import PART, Assembly
from synthvlm.alignment.decoding import Unusable
from synthvlm.alignment.scorer import Pair, PairScore, ScoreParameters, Scorer
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput, PreconditionFailed
from synthvlm.progress import Reporter
from synthvlm.storage import Commit, Shard, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.parts import failures_of, part_bytes
from synthvlm.storage.schemas import CAPTIONS, IMAGES
from synthvlm.storage.shard_locks import Turns

CODE_VERSION = 1
"""Raised whenever this code gives other scores for the same key."""

MAX_IMAGE_BYTES = 64 * 2**20
"""Most bytes of an encoded image in a shard: more than any image within the limit of pixels has."""

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


@dataclass(frozen=True)
class ScoreSet:
    """A committed ScoreSet shard.

    Attributes:
        ref: The shard: ``scores.parquet``, ``failed.parquet``.
        scored: Images in it.
        failed: Images that could not be scored, by reason.
    """

    ref: ShardRef
    scored: int
    failed: dict[str, int]


class ScoreSetMaker:
    """Makes ScoreSet shards with a scorer; calls may come from many threads."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._engine = scorer.engine
        self._turns = Turns()

    def make(self, store: Store, request: ScoreSetRequest, reporter: Reporter) -> ScoreSet:
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
        self._require_model(request.model_digest)
        commit = Commit(store, self._key(request))
        with self._turns.take(commit, reporter):
            if ref := commit.find():
                return _committed(store, ref, reporter)
            captions = open_shard(store, request.caption_set)
            images = open_shard(store, request.image_set)
            _require_same_captions(captions, images)
            with tempfile.TemporaryDirectory(prefix="synthvlm-scores-") as folder:
                assembly = self._assemble(captions, images, request, commit, reporter, Path(folder))
                ref = commit.finish(
                    files=assembly.files,
                    records=assembly.scored,
                    counts=assembly.counts,
                    file_records=assembly.file_records,
                )
        return ScoreSet(ref, assembly.scored, failures_of(assembly.counts))

    def _assemble(
        self,
        captions: Shard,
        images: Shard,
        request: ScoreSetRequest,
        commit: Commit,
        reporter: Reporter,
        folder: Path,
    ) -> Assembly:
        texts = _texts(captions)
        total = images.manifest.records
        done = resumed = 0
        reporter.report(done, total)
        batches = images.batches("images.parquet", _IMAGE_COLUMNS, self._scorer.batch_size)
        with (
            Assembly(folder) as assembly,
            closing(images.store.open(images.path("images.tar"))) as tar,
        ):
            for index, batch in enumerate(batches):
                part = commit.read_part(index)
                if part is None:
                    rows = batch.to_pylist()
                    part = part_bytes(self._score(rows, texts, tar, request, reporter), PART)
                    commit.write_part(index, part)
                else:
                    resumed += batch.num_rows
                assembly.add(part)
                done += batch.num_rows
                reporter.report(done, total, resumed)
        return assembly

    def _score(
        self,
        rows: Sequence[dict[str, Any]],
        texts: Mapping[str, str],
        tar: BinaryIO,
        request: ScoreSetRequest,
        reporter: Reporter,
    ) -> list[dict[str, Any]]:
        """The rows of a part."""
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

    def _require_model(self, expected: str) -> None:
        if expected and expected != self._engine.model_digest:
            raise PreconditionFailed(
                "the service has loaded another model than the one that the call expects",
                {"expected": expected, "loaded": self._engine.model_digest},
            )


def _committed(store: Store, ref: ShardRef, reporter: Reporter) -> ScoreSet:
    manifest = open_shard(store, ref).manifest
    made = ScoreSet(ref, manifest.records, failures_of(manifest.counts))
    total = made.scored + sum(made.failed.values())
    reporter.report(total, total, resumed=total)
    return made


def _require_same_captions(captions: Shard, images: Shard) -> None:
    if images.manifest.inputs.get("captions") != captions.ref.digest:
        message = "is not the CaptionSet that the images of image_set were made from"
        raise InvalidInput(f"caption_set {message}", [FieldViolation("caption_set", message)])


def _texts(captions: Shard) -> dict[str, str]:
    rows = captions.batches("captions.parquet", _CAPTION_COLUMNS, _READ_ROWS)
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
