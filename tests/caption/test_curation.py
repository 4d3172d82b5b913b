"""Curation of a pool shard: the verdicts of the rules, as tables."""

import json

import pytest
import yaml

from synthvlm.caption.curation import curate
from synthvlm.caption.importing import ImportRequest, import_captions
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import Layout
from synthvlm.caption.recipe import load_recipe, parse_recipe
from synthvlm.caption.rules import judge
from synthvlm.errors import InvalidInput, NotFound, OperationCancelled
from synthvlm.progress import SILENT
from synthvlm.storage import ShardRef, file_location, open_shard, open_store
from synthvlm.storage.schemas import CAPTIONS, DROPPED

PAPER = load_recipe("paper-rules", Locations([]))
TEXTS = [
    "A man is riding a red bicycle down the street.",
    "short",
    "!!!! ---- 12 34 %% ++",
    "nsfw picture of a man on a red bicycle",
    "again and again and again and again and again and again and again and again",
    "Two dogs sit on a sofa in front of a window.",
]


@pytest.fixture
def pool(store, caption_file):
    def make(texts, into=store):
        file = caption_file("c.jsonl", "".join(json.dumps({"caption": t}) + "\n" for t in texts))
        return import_captions(into, ImportRequest([file], Layout(), 100_000), SILENT).shards[0]

    return make


def tables(store, made):
    shard = open_shard(store, made.ref)
    return (
        shard.table("captions.parquet", CAPTIONS).to_pylist(),
        shard.table("dropped.parquet", DROPPED).to_pylist(),
    )


def test_what_is_kept_and_what_is_dropped(store, pool):
    made = curate(store, pool(TEXTS), PAPER, SILENT)
    kept, dropped = tables(store, made)
    assert [row["text"] for row in kept] == [TEXTS[0], TEXTS[5]]
    assert [row["dropped_by"] for row in dropped] == [
        ["special_characters_filter", "text_length_filter"],
        ["alphanumeric_filter", "special_characters_filter"],
        ["flagged_words_filter"],
        ["character_repetition_filter", "word_repetition_filter"],
    ]
    verdicts = judge(PAPER.rules, TEXTS)
    for row in (*kept, *dropped):
        assert dict(row["stats"]) == verdicts.statistics_of(TEXTS.index(row["text"]))
        assert [name for name, _ in row["stats"]] == list(verdicts.statistics)
    assert (made.read, made.kept) == (6, 2)
    assert made.dropped == verdicts.first_drops()
    assert list(made.dropped) == list(verdicts.rules)
    assert made.ref.records == 2


def test_the_same_again(store, pool, tmp_path):
    reports = []

    class Watch:
        def report(self, done, total, resumed=0, reused=0):
            reports.append((done, total, resumed))

        def check(self):
            pass

    shard = pool(TEXTS)
    first = curate(store, shard, PAPER, Watch())
    again = curate(store, shard, PAPER, Watch())
    assert again == first
    assert list(again.dropped) == list(first.dropped)
    assert reports == [(0, 6, 0), (6, 6, 0), (6, 6, 6)]
    other = open_store(file_location(tmp_path / "other"))
    assert curate(other, pool(TEXTS, other), PAPER, SILENT) == first
    paths = store.list(first.ref.path)
    assert {path: store.read(path) for path in paths} == {path: other.read(path) for path in paths}
    assert sorted(path.rpartition("/")[2] for path in paths) == [
        "captions.parquet",
        "dropped.parquet",
        "manifest.json",
    ]


def test_another_recipe_is_another_shard(store, pool):
    shard = pool(TEXTS)
    recipe = yaml.safe_dump({"process": [{"text_length_filter": {"min_len": 6}}]})
    made = curate(store, shard, parse_recipe(recipe, Locations([])), SILENT)
    assert made.ref.path != curate(store, shard, PAPER, SILENT).ref.path
    assert made.dropped == {"text_length_filter": 1}


@pytest.mark.parametrize("keep", [True, False])
def test_all_or_nothing(store, pool, keep):
    texts = [f"{'caption' if keep else '-------'} {n}" for n in range(9000)]
    recipe = yaml.safe_dump({"process": [{"alphanumeric_filter": {"min_ratio": 0.6}}]})
    made = curate(store, pool(texts), parse_recipe(recipe, Locations([])), SILENT)
    kept, dropped = tables(store, made)
    assert [row["text"] for row in (kept if keep else dropped)] == texts
    assert len(kept) + len(dropped) == made.read == 9000
    assert made.dropped == {"alphanumeric_filter": len(dropped)}


def test_a_cancelled_curation_leaves_nothing(store, pool):
    class Stop:
        def report(self, done, total, resumed=0, reused=0):
            if done:
                raise OperationCancelled("stop")

        def check(self):
            pass

    with pytest.raises(OperationCancelled):
        curate(store, pool(TEXTS), PAPER, Stop())
    assert store.list("captions") == []


def test_what_is_no_pool(store, pool):
    shard = pool(TEXTS)
    made = curate(store, shard, PAPER, SILENT)
    with pytest.raises(InvalidInput, match="not of a pool") as raised:
        curate(store, made.ref, PAPER, SILENT)
    assert raised.value.violations[0].field == "pool.path"
    with pytest.raises(NotFound):
        curate(store, ShardRef("pool/none", shard.digest[:-1] + "0", 6), PAPER, SILENT)
