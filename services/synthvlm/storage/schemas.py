"""The tables that stages write, in one place: their Arrow schemas and the names of their files.

A schema change increments ``keys.SCHEMA_VERSION``, which is part of every manifest and of every
shard's key: tables of different versions are never mixed. All scores are float32; all digests are
``sha256:`` and 64 hexadecimal digits; all offsets and sizes are in bytes.
"""

import json

import pyarrow as pa

QUARANTINE = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("excerpt", pa.string(), nullable=False),
    ]
)
"""Records that cannot be used as captions: file name (without folders), line or record number from
1, reason, and the first 200 characters of what was read."""

QUARANTINE_FILE = "quarantine.parquet"

POOL = pa.schema(
    [
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=True),
    ]
)
"""Imported captions: id made of what follows, text, and the id they had in their file. Not the
file's name: the same captions from another file are the same pool."""

POOL_FILE = "pool.parquet"

CAPTIONS = pa.schema([*POOL, pa.field("stats", pa.map_(pa.string(), pa.float64()), nullable=False)])
"""Captions that curation kept, with Data-Juicer's statistics."""

CAPTIONS_FILE = "captions.parquet"

DROPPED = pa.schema([*CAPTIONS, pa.field("dropped_by", pa.list_(pa.string()), nullable=False)])
"""Captions that curation dropped, each with the rules that dropped it, in the recipe's order."""

DROPPED_FILE = "dropped.parquet"

IMAGES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
    ]
)
"""Index of an ImageSet's tar: ``file`` is the member's name, ``offset`` and ``size`` say where its
bytes lie, so that one image is one range read. ``truncated``: the caption was longer than the text
encoders' window."""

IMAGES_FILE = "images.parquet"

IMAGES_TAR = "images.tar"
"""An ImageSet's images, each with its caption as ``.txt``: a WebDataset."""

FAILED = pa.schema(
    [
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=True),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""Captions or images that a stage could not process."""

FAILED_FILE = "failed.parquet"

SCORES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("clip_score", pa.float32(), nullable=False),
        pa.field("ssim_score", pa.float32(), nullable=False),
        pa.field("weighted_score", pa.float32(), nullable=False),
    ]
)
"""Scores of the images of an ImageSet, in its order."""

SCORES_FILE = "scores.parquet"

CHAINS = pa.schema(
    [
        pa.field("caption_set", pa.string(), nullable=False),
        pa.field("caption_set_digest", pa.string(), nullable=False),
        pa.field("image_set", pa.string(), nullable=False),
        pa.field("image_set_digest", pa.string(), nullable=False),
        pa.field("score_set", pa.string(), nullable=False),
        pa.field("score_set_digest", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
    ]
)
"""The shards that a selection was made from, in its canonical order: where each stage's shard is,
its digest, and the digest of the configuration that made the images."""

CHAINS_FILE = "chains.parquet"

IMAGE_INDEX = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("chain", pa.int32(), nullable=False),
    ]
)
"""Every generated image of a run, sorted by id, with its row of CHAINS."""

IMAGE_INDEX_FILE = "images.parquet"

SELECTION = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=True),
        *[field for field in SCORES if field.name not in ("caption_id",)],
        *[field for field in IMAGES if field.name not in ("image_id", "caption_id", "repeat")],
        pa.field("image_set", pa.string(), nullable=False),
        pa.field("image_set_digest", pa.string(), nullable=False),
    ]
)
"""Selected pairs, best first: rank from 0, the pair, and where its image is."""

SELECTION_FILE = "selection.parquet"

PAIRS = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        *[
            field
            for field in SELECTION
            if field.name not in ("rank", "image_set", "image_set_digest")
        ],
        pa.field("generation", pa.string(), nullable=False),
    ]
)
"""Index of a dataset version: ``shard`` is the tar that holds the pair, ``file``, ``offset`` and
``size`` where its image is in it, ``generation`` the digest of the configuration that made it."""

PAIRS_FILE = "pairs.parquet"

LLAVA_FILE = "llava.json"
"""The pairs of a dataset version as LLaVA's training reads them, without those whose caption has a
word that is reserved there."""

PROBES = pa.schema(
    [
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
    ]
)
"""What a model is asked or reads in an evaluation: ``cluster`` names what several questions are
about, ``kind`` what they ask for or what is wrong with a text."""

_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_VALUE = {"dtype": "string", "_type": "Value"}
QUESTIONS = pa.schema(
    [
        *PROBES,
        pa.field("things", pa.string(), nullable=False),
        pa.field("image", _PICTURE),
        pa.field("blank", _PICTURE),
    ],
    metadata={
        "huggingface": json.dumps(
            {
                "info": {
                    "features": {
                        **dict.fromkeys((*PROBES.names, "things"), _VALUE),
                        "image": {"_type": "Image"},
                        "blank": {"_type": "Image"},
                    }
                }
            },
            sort_keys=True,
        )
    },
)
"""Questions about pictures, each with the picture and an empty one; the metadata tells the library
``datasets`` that they are images."""

QUESTIONS_FILE = "questions.parquet"

ANSWERS = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("truth", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("groups", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)
"""Every answer of an evaluation; ``groups`` are the properties by which results are shown."""

ANSWERS_FILE = "answers.parquet"

REVIEWED = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("rejected", pa.bool_(), nullable=False),
        pa.field("decided_by", pa.string(), nullable=False),
        pa.field("alignment", pa.string(), nullable=True),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("verdicts", pa.int32(), nullable=False),
        pa.field("probability", pa.float64(), nullable=True),
        pa.field("compared_image_id", pa.string(), nullable=True),
        pa.field("preference", pa.string(), nullable=True),
        pa.field("weighted_score", pa.float64(), nullable=True),
        pa.field("stratum", pa.int32(), nullable=False),
        pa.field("inclusion", pa.float64(), nullable=False),
    ]
)
"""The pairs of a campaign's sample with what people decided, by image id: ``probability`` is that
of being true as their verdicts say, ``inclusion`` the one with which the pair was drawn."""

REVIEWED_FILE = "reviewed.parquet"

VERDICTS = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("annotator", pa.string(), nullable=False),
        pa.field("is_model", pa.bool_(), nullable=False),
        pa.field("stands", pa.bool_(), nullable=False),
        pa.field("retracted", pa.bool_(), nullable=False),
        pa.field("alignment", pa.string(), nullable=True),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("quality", pa.int32(), nullable=True),
        pa.field("preference", pa.string(), nullable=True),
        pa.field("comment", pa.string(), nullable=False),
        pa.field("duration_ms", pa.int64(), nullable=False),
        pa.field("record_time", pa.int64(), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("expected", pa.string(), nullable=True),
    ]
)
"""Every entry of a campaign in the order in which they were recorded, those included that were
changed or taken back; ``expected`` is the answer to a gold question. Decisions of adjudicators are
in REVIEWED."""

VERDICTS_FILE = "verdicts.parquet"

REJECTED = pa.schema(
    [
        field
        for field in REVIEWED
        if field.name in ("image_id", "caption_id", "decided_by", "alignment", "reasons")
    ]
)
"""The pairs of a selection that people rejected, and why: they are not in the version."""

REJECTED_FILE = "rejected.parquet"
