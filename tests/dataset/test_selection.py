"""What is selected, against a reference that is too simple to be wrong."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.dataset.best import SCORED, BestOfRepeats, SelectionRule, ranked
from synthvlm.dataset.chains import ShardChain
from synthvlm.dataset.selection import select
from synthvlm.errors import DataCorrupt, InvalidInput, NotFound, OperationCancelled
from synthvlm.progress import SILENT
from synthvlm.storage import ShardRef, file_location, open_shard, open_store
from synthvlm.storage.schemas import SCORES, SELECTION
from tests.dataset.shards import (
    Scored,
    caption_id,
    captions_shard,
    chain_of,
    image_id,
    images_shard,
    picture,
    run_of,
    scores_shard,
)


def selected_rows(store, ref):
    return open_shard(store, ref).table("selection.parquet", SELECTION).to_pylist()


# Few values, so that ties are common.
score = st.sampled_from([0.0, 0.25, 0.5, 0.75, math.nan, math.inf]) | st.floats(
    0, 1, width=32, allow_nan=False
)
rows = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 3), score, score),
    max_size=60,
    unique_by=lambda row: row[:2],
)
rules = st.one_of(
    st.integers(1, 12).map(lambda k: SelectionRule(top_k=k)),
    st.floats(0.001, 1).map(lambda f: SelectionRule(top_fraction=f)),
)


def scores_table(chosen):
    return pa.Table.from_pylist(
        [
            {
                "image_id": image_id(str(caption), repeat),
                "caption_id": f"c{caption}",
                "repeat": repeat,
                "clip_score": clip,
                "ssim_score": 0.0,
                "weighted_score": weighted,
            }
            for caption, repeat, clip, weighted in chosen
        ],
        SCORES,
    )


def naive(chosen, rule):
    """Best of each caption, then the best of all, as plain Python."""
    usable = [
        row
        for row in scores_table(chosen).to_pylist()
        if math.isfinite(row["clip_score"]) and math.isfinite(row["weighted_score"])
    ]

    def rank(row):
        return (-row["weighted_score"], -row["clip_score"], row["repeat"], row["image_id"])

    captions = {row["caption_id"] for row in usable}
    best = [
        min((row for row in usable if row["caption_id"] == caption), key=rank)
        for caption in captions
    ]
    return [row["image_id"] for row in sorted(best, key=rank)][: rule.count(len(captions))]


@given(rows, rules, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_the_selection_is_that_of_the_naive_reference(chosen, rule, rng, chains):
    expected = naive(chosen, rule)
    rng.shuffle(chosen)
    collected = BestOfRepeats()
    for number in range(chains):
        collected.add(scores_table(chosen[number::chains]), number)
    result = ranked(collected.finish(), rule)
    assert result["image_id"].to_pylist() == expected
    assert collected.scored == len(chosen)
    finite = [row for row in chosen if math.isfinite(row[2]) and math.isfinite(row[3])]
    assert collected.unusable == len(chosen) - len(finite)


def test_losers_are_dropped_on_the_way():
    collected = BestOfRepeats()
    rng = np.random.default_rng(0)
    ids = pa.array([f"i{number:06d}" for number in range(100_000)])
    scores = {"clip_score": rng.random(100_000), "ssim_score": rng.random(100_000)}
    weighted = rng.random(100_000)
    table = (
        pa.table(
            {
                "image_id": ids,
                "caption_id": pa.array([f"c{number % 50_000}" for number in range(100_000)]),
                "repeat": pa.array([number // 50_000 for number in range(100_000)], pa.int32()),
                **{name: pa.array(values, pa.float32()) for name, values in scores.items()},
                "weighted_score": pa.array(weighted, pa.float32()),
            }
        )
        .select(SCORES.names)
        .cast(SCORES)
    )
    for chain in range(6):
        collected.add(table, chain)
        assert collected.rows_held <= 200_000
    best = collected.finish()
    assert best.num_rows == 50_000
    assert best.schema.names == SCORED.names
    # Equal rows of later chains lose.
    assert set(best["chain"].unique().to_pylist()) == {0}
    halves = weighted.astype(np.float32).reshape(2, 50_000).max(axis=0)
    assert pc.sum(best["weighted_score"]).as_py() == pytest.approx(halves.sum(), rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 1000))
def test_a_fraction_counts_captions_exactly(captions, thousandths):
    rule = SelectionRule(top_fraction=thousandths / 1000)
    exact = Fraction(thousandths, 1000) * captions
    expected = min(max(1, math.floor(exact + Fraction(1, 2))), captions)
    assert rule.count(captions) == expected


class TestSelect:
    def test_rows_hold_pair_scores_and_place(self, store):
        chain = chain_of(
            store,
            [
                Scored("a cat", 0, 0.3, 0.5),
                Scored("a cat", 1, 0.4, 0.7),
                Scored("a dog", 0, 0.2, 0.9),
                Scored("a dog", 1, 0.2, 0.9),
                Scored("a cow", 0, 0.1, 0.1),
            ],
        )
        made = select(store, [chain], SelectionRule(top_k=2), SILENT)
        assert (made.scored, made.captions, made.selected) == (5, 3, 2)
        rows = selected_rows(store, made.ref)
        assert [(row["rank"], row["text"], row["repeat"]) for row in rows] == [
            (0, "a dog", 0),
            (1, "a cat", 1),
        ]
        dog = rows[0]
        assert dog["caption_id"] == caption_id("a dog")
        assert dog["image_id"] == image_id("a dog", 0)
        assert dog["source_id"] == "1"
        assert dog["weighted_score"] == pytest.approx(0.9)
        assert dog["image_set"] == chain.image_set.path
        assert dog["image_set_digest"] == chain.image_set.digest
        tar = f"{dog['image_set']}/images.tar"
        assert store.read_range(tar, dog["offset"], dog["size"]) == picture("a dog", 0)

    def test_the_order_of_shards_and_repetitions_do_not_matter(self, store, tmp_path):
        chains = run_of(store, captions=30, repeats=3, shards=3)
        first = select(store, chains, SelectionRule(top_k=10), SILENT)
        other = open_store(file_location(tmp_path / "elsewhere"))
        again = run_of(other, captions=30, repeats=3, shards=3)
        second = select(
            other, [again[2], again[0], again[1], again[0]], SelectionRule(top_k=10), SILENT
        )
        assert second.ref == first.ref
        assert second.index == first.index

    def test_the_same_rule_finds_the_selection_committed(self, store):
        chains = run_of(store)
        first = select(store, chains, SelectionRule(top_fraction=0.5), SILENT)
        before = {path: store.read(path) for path in store.list("selection")}
        assert select(store, chains, SelectionRule(top_fraction=0.5), SILENT) == first
        assert {path: store.read(path) for path in store.list("selection")} == before
        other = select(store, chains, SelectionRule(top_fraction=0.6), SILENT)
        assert other.ref.path != first.ref.path
        assert other.index == first.index

    def test_more_than_there_are_selects_all(self, store):
        made = select(store, run_of(store, captions=8), SelectionRule(top_k=10**12), SILENT)
        assert made.selected == made.captions == 8

    def test_a_caption_in_two_shards_is_selected_once(self, store):
        one = chain_of(store, [Scored("a cat", 0, 0.3, 0.5), Scored("a dog", 0, 0.3, 0.4)])
        two = chain_of(store, [Scored("a cat", 1, 0.3, 0.6)])
        made = select(store, [one, two], SelectionRule(top_k=5), SILENT)
        rows = selected_rows(store, made.ref)
        assert [(row["text"], row["repeat"]) for row in rows] == [("a cat", 1), ("a dog", 0)]

    def test_nothing_usable_gives_an_empty_selection(self, store):
        chain = chain_of(store, [Scored("a cat", 0, math.nan, math.nan)])
        made = select(store, [chain], SelectionRule(top_fraction=0.5), SILENT)
        assert (made.scored, made.captions, made.selected) == (1, 0, 0)
        assert selected_rows(store, made.ref) == []
        counts = open_shard(store, made.ref).manifest.counts
        assert counts["unusable_scores"] == 1

    def test_a_shard_without_captions_is_no_problem(self, store):
        chains = [chain_of(store, []), *run_of(store, captions=4)]
        assert select(store, chains, SelectionRule(top_k=9), SILENT).selected == 4

    def test_who_has_gone_is_noticed(self, store):
        class Gone:
            def report(self, done, total, resumed=0, reused=0):
                self.check()

            def check(self):
                raise OperationCancelled("gone")

        with pytest.raises(OperationCancelled):
            select(store, run_of(store), SelectionRule(top_k=1), Gone())

    def test_progress_ends_at_the_total(self, store):
        seen = []

        class Watcher:
            def report(self, done, total, resumed=0, reused=0):
                seen.append((done, total, resumed))

            def check(self):
                pass

        chains = run_of(store, captions=10, repeats=2)
        select(store, chains, SelectionRule(top_k=1), Watcher())
        assert seen[0] == (0, 20, 0)
        assert seen[-1] == (20, 20, 0)
        select(store, chains, SelectionRule(top_k=1), Watcher())
        assert seen[-1] == (20, 20, 20)


class TestWrongChains:
    def violation(self, store, *chains):
        with pytest.raises(InvalidInput) as raised:
            select(store, chains, SelectionRule(top_k=1), SILENT)
        return [(one.field, one.description) for one in raised.value.violations]

    def test_shards_of_other_chains(self, store):
        one, two = run_of(store)
        mixed = ShardChain(two.caption_set, one.image_set, one.score_set)
        fields = [field for field, _ in self.violation(store, two, mixed)]
        assert fields == ["shards[1].image_set", "shards[1].score_set"]

    def test_scores_of_other_images(self, store):
        captions = captions_shard(store, ["a cat"])
        images = images_shard(store, captions, [("a cat", 0)])
        others = images_shard(store, captions, [("a cat", 1)], steps=30)
        scores = scores_shard(store, captions, others, [Scored("a cat", 1, 0.1, 0.1)])
        assert self.violation(store, ShardChain(captions, images, scores)) == [
            ("shards[0].score_set", "was not made from this chain's image_set")
        ]

    def test_a_shard_of_another_kind(self, store):
        (chain,) = run_of(store, shards=1)
        swapped = ShardChain(chain.caption_set, chain.score_set, chain.image_set)
        assert ("shards[0].image_set", "is a shard of scores, not of images") in self.violation(
            store, swapped
        )

    def test_another_number_of_records(self, store):
        (chain,) = run_of(store, shards=1)
        scores = ShardRef(chain.score_set.path, chain.score_set.digest, 3)
        wrong = ShardChain(chain.caption_set, chain.image_set, scores)
        assert self.violation(store, wrong) == [("shards[0].score_set", "has 40 records, not 3")]

    def test_a_shard_that_does_not_exist(self, store):
        (chain,) = run_of(store, shards=1)
        missing = ShardRef("images/none", chain.image_set.digest, 1)
        with pytest.raises(NotFound, match=r"shards\[0\]\.image_set"):
            select(
                store,
                [ShardChain(chain.caption_set, missing, chain.score_set)],
                SelectionRule(top_k=1),
                SILENT,
            )

    def test_a_manifest_of_another_digest(self, store):
        (chain,) = run_of(store, shards=1)
        other = ShardRef(chain.image_set.path, chain.score_set.digest, chain.image_set.records)
        with pytest.raises(DataCorrupt, match=r"shards\[0\]\.image_set"):
            select(
                store,
                [ShardChain(chain.caption_set, other, chain.score_set)],
                SelectionRule(top_k=1),
                SILENT,
            )

    def test_scores_of_an_image_that_its_set_has_not(self, store):
        captions = captions_shard(store, ["a cat"])
        images = images_shard(store, captions, [("a cat", 0)])
        scores = scores_shard(store, captions, images, [Scored("a cat", 5, 0.1, 0.1)])
        with pytest.raises(DataCorrupt, match="is not in"):
            select(store, [ShardChain(captions, images, scores)], SelectionRule(top_k=1), SILENT)
