"""ScoreSet shards: contents, failures and damage."""

from dataclasses import replace

import pytest

from synthvlm.alignment.score_set import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.scorer import Pair
from synthvlm.errors import DataCorrupt, InvalidInput
from synthvlm.progress import SILENT
from synthvlm.storage import open_shard
from synthvlm.storage.schemas import FAILED, SCORES

TEXTS = [f"a scene with {n} circles" for n in range(5)]


class Watcher:
    """Keeps what it is told."""

    def __init__(self):
        self.reports = []

    def report(self, done, total, resumed=0, reused=0):
        self.reports.append((done, total, resumed))

    def check(self):
        pass


@pytest.fixture
def shards(store, picture, caption_set, image_set):
    captions = caption_set(store, TEXTS)
    return captions, image_set(store, captions, [picture(seed) for seed in range(10)])


def request_of(shards, parameters, **changes):
    return replace(ScoreSetRequest(*shards, parameters), **changes)


def read(store, ref, name="scores.parquet", schema=SCORES):
    return open_shard(store, ref).table(name, schema).to_pylist()


def test_every_image_is_scored_in_the_order_of_its_shard(
    hasher, scorer_of, store, shards, picture, parameters
):
    scorer = scorer_of(hasher(), 4)
    made = ScoreSetMaker(scorer).make(store, request_of(shards, parameters), SILENT)
    pairs = [Pair(picture(n), TEXTS[n % 5]) for n in range(10)]
    expected = [
        {
            "image_id": f"i{n:04d}",
            "caption_id": f"c{n % 5:04d}",
            "repeat": n // 5,
            "clip_score": score.clip_score,
            "ssim_score": score.ssim_score,
            "weighted_score": score.weighted_score,
        }
        for n, score in enumerate(scorer.score(pairs, parameters, SILENT))
    ]
    assert read(store, made.ref) == expected
    assert (made.ref.records, made.failed, made.ref.records) == (10, {}, 10)
    manifest = open_shard(store, made.ref).manifest
    assert manifest.inputs == {"captions": shards[0].digest, "images": shards[1].digest}
    assert manifest.model_digest == scorer.engine.model_digest
    assert not [path for path in store.list(made.ref.path) if "/parts/" in path]


def test_images_that_cannot_be_scored_are_listed_and_counted(
    hasher, scorer_of, store, picture, caption_set, image_set, parameters
):
    captions = caption_set(store, TEXTS)
    data = [picture(0), b"junk", picture(2), picture(3, side=6), picture(4)[:-30], b"more junk"]
    shards = captions, image_set(store, captions, data)
    maker = ScoreSetMaker(scorer_of(hasher(), 4))
    watcher = Watcher()
    made = maker.make(store, request_of(shards, parameters), watcher)
    assert made.failed == {"too_small": 1, "undecodable": 1, "unsupported_format": 2}
    assert [row["image_id"] for row in read(store, made.ref)] == ["i0000", "i0002"]
    assert read(store, made.ref, "failed.parquet", FAILED) == [
        {"caption_id": "c0001", "image_id": "i0001", "reason": "unsupported_format"},
        {"caption_id": "c0003", "image_id": "i0003", "reason": "too_small"},
        {"caption_id": "c0004", "image_id": "i0004", "reason": "undecodable"},
        {"caption_id": "c0000", "image_id": "i0005", "reason": "unsupported_format"},
    ]
    assert watcher.reports[-1] == (6, 6, 0)
    assert maker.make(store, request_of(shards, parameters), SILENT) == made


def test_an_empty_shard_is_committed_too(
    hasher, scorer_of, store, caption_set, image_set, parameters
):
    captions = caption_set(store, [])
    shards = captions, image_set(store, captions, [])
    made = ScoreSetMaker(scorer_of(hasher())).make(store, request_of(shards, parameters), SILENT)
    assert (made.ref.records, made.failed, read(store, made.ref)) == (0, {}, [])


def test_damaged_images_are_an_error_and_nothing_is_committed(
    hasher, scorer_of, store, shards, parameters
):
    path = f"{shards[1].path}/images.tar"
    tar = bytearray(store.read(path))
    tar[600] ^= 1
    store.write(path, bytes(tar))
    maker = ScoreSetMaker(scorer_of(hasher(), 4))
    with pytest.raises(
        DataCorrupt, match=r"images\.tar in .* is damaged: i0000\.png .*delete it and"
    ):
        maker.make(store, request_of(shards, parameters), SILENT)
    store.write(path, bytes(tar[:1000]))
    with pytest.raises(DataCorrupt):
        maker.make(store, request_of(shards, parameters), SILENT)
    assert not [name for name in store.list("scores") if name.endswith("manifest.json")]


def test_captions_of_other_images_are_refused(
    hasher, scorer_of, store, shards, caption_set, parameters
):
    other = caption_set(store, ["something else"])
    with pytest.raises(InvalidInput) as raised:
        ScoreSetMaker(scorer_of(hasher())).make(
            store, request_of((other, shards[1]), parameters), SILENT
        )
    assert [violation.field for violation in raised.value.violations] == ["caption_set"]


def test_everything_that_decides_scores_is_in_the_key(hasher, scorer_of, store, shards, parameters):
    class Other(hasher):
        numerics = {"executor": "other"}  # noqa: RUF012

    weighting = replace(parameters.weighting, clip_weight=0.25)
    variants = [
        (hasher(), 4, parameters),
        (hasher(), 8, parameters),
        (Other(), 4, parameters),
        (hasher(), 4, replace(parameters, vlm_size=8)),
        (hasher(), 4, replace(parameters, prompt_prefix="")),
        (hasher(), 4, replace(parameters, weighting=weighting)),
    ]
    paths = {
        ScoreSetMaker(scorer_of(engine, size))
        .make(store, request_of(shards, given), SILENT)
        .ref.path
        for engine, size, given in variants
    }
    assert len(paths) == len(variants)
