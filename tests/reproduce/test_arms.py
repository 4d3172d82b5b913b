"""The arms of the experiment on the paper in small: what each takes from a pool."""

import io
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from benchmarks.reproduce.arms import Seed
from benchmarks.reproduce.design import ARMS, CLAIMS, Design
from benchmarks.reproduce.drawings import drawing_of
from benchmarks.reproduce.pairs import pairs_of
from benchmarks.reproduce.pools import Pool
from synthvlm.caption_mix import things_of
from synthvlm.dataset.chains import ShardChain
from synthvlm.scenes.captions import sample_captions
from synthvlm.scenes.oracle import judge
from synthvlm.storage import Commit, ShardKey, file_location, open_shard, open_store
from synthvlm.storage.schemas import IMAGES, IMAGES_FILE, PAIRS, PAIRS_FILE, SCORES, SCORES_FILE
from synthvlm.storage.tables import table_bytes
from tests.caption_sets import commit_caption_set
from tests.image_sets import commit_image_set

CAPTIONS, FRACTION = 30, 0.4
SELECTED = 12
DESIGN = Design(captions=CAPTIONS, fraction=FRACTION, seeds=2)


def pool(store, seed):
    """A pool with two images a caption, the scores of which are random."""
    texts = [one.caption for one in sample_captions(seed, CAPTIONS, 0.0)]
    rng = random.Random(seed)
    drawings = [drawing_of(text, rng) for _ in range(2) for text in texts]
    captions = commit_caption_set(store, texts)
    images = commit_image_set(store, captions, [one for one in drawings if one is not None])
    rows = open_shard(store, images).table(IMAGES_FILE, IMAGES).to_pylist()
    scores = [
        {
            **{name: row[name] for name in ("image_id", "caption_id", "repeat")},
            **{f"{name}_score": rng.random() for name in ("clip", "ssim", "weighted")},
        }
        for row in rows
    ]
    table = table_bytes(pa.Table.from_pylist(scores, SCORES), SCORES)
    key = ShardKey("scores", {"captions": captions.digest, "images": images.digest})
    score_set = Commit(store, key).finish({SCORES_FILE: table}, len(rows))
    return Pool([ShardChain(captions, images, score_set)], CAPTIONS)


@pytest.fixture(scope="module")
def seed(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("reproduce") / "store"))
    return Seed(store, DESIGN, 0, pool(store, 0), pool(store, 1))


@pytest.fixture(scope="module")
def versions(seed):
    return {arm: seed.version(arm) for arm in ARMS}


@pytest.fixture(scope="module")
def taken(seed, versions):
    """The pairs of each arm's version: captions with the digests of their images."""
    return {
        arm: [
            (row["text"], row["sha256"])
            for row in open_shard(seed.store, ref).table(PAIRS_FILE, PAIRS).to_pylist()
        ]
        for arm, ref in versions.items()
    }


def captions_of(pairs):
    return Counter(text for text, _ in pairs)


def test_all_arms_but_two_have_as_many_pairs_as_are_selected(taken):
    sizes = {arm: len(pairs) for arm, pairs in taken.items()}
    assert sizes.pop("all") == 2 * CAPTIONS
    assert sizes.pop("unselected") == 2 * CAPTIONS - SELECTED
    assert set(sizes.values()) == {SELECTED}


def test_the_selected_and_the_unselected_are_the_whole_pool(taken):
    assert Counter(taken["best"]) + Counter(taken["unselected"]) == Counter(taken["all"])


def test_controls_have_the_captions_that_they_control(taken):
    best = captions_of(taken["best"])
    assert captions_of(taken["best-drawn"]) == best
    assert captions_of(taken["best-captions"]) == best
    assert captions_of(taken["random-drawn"]) == captions_of(taken["random"])
    assert not set(taken["best-drawn"]) & set(taken["all"])
    assert set(taken["best-captions"]) <= set(taken["all"])


def test_each_score_ranks_by_itself(seed, taken):
    (chain,) = seed.curated.chains
    rows = open_shard(seed.store, chain.score_set).table(SCORES_FILE, SCORES).to_pylist()
    images = {pair.image_id: pair for pair in pairs_of(seed.store, [chain])}
    for arm, column in (("clip", "clip_score"), ("ssim", "ssim_score"), ("best", "weighted_score")):
        best = {}
        for row in rows:
            best[row["caption_id"]] = max(best.get(row["caption_id"], 0.0), row[column])
        top = sorted(best, key=lambda caption: -best[caption])[:SELECTED]
        texts = {pair.caption_id: pair.caption for pair in images.values()}
        assert captions_of(taken[arm]) == Counter(texts[caption] for caption in top)


def test_the_matched_arm_has_the_mix_of_the_pool(taken):
    whole = Counter(things_of(text) for text, _ in taken["all"])
    matched = Counter(things_of(text) for text, _ in taken["matched"])
    for things, images in whole.items():
        assert abs(matched[things] - FRACTION * images / 2) <= 1


def test_the_same_seed_gives_the_same_versions(seed, versions):
    again = Seed(seed.store, DESIGN, 0, seed.curated, seed.uncurated)
    assert {arm: again.version(arm) for arm in ARMS} == versions
    other = Seed(seed.store, DESIGN, 1, seed.curated, seed.uncurated)
    assert other.version("random") != versions["random"]


def test_drawings_are_true_of_their_captions():
    rng = random.Random(3)
    for one in sample_captions(11, 40, 0.0):
        drawing = drawing_of(one.caption, rng)
        assert drawing is not None, one.caption
        image = np.asarray(Image.open(io.BytesIO(drawing)))
        assert judge(image, one.caption).true, one.caption
    assert drawing_of("a photograph of happiness", rng) is None


def test_claims_are_about_arms():
    assert {arm for claim in CLAIMS for arm in (claim.better, claim.than)} == set(ARMS)
