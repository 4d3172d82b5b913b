"""Selection within strata: the same share of each, its best captions, whatever divides them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.dataset.best import SCORED, SelectionRule, Strata, quotas, ranked
from synthvlm.dataset.selection import select
from synthvlm.dataset.strata import divided
from synthvlm.errors import InvalidInput
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import SELECTION
from tests.caption_clusters.topics import captions_of
from tests.dataset.shards import Scored, chain_of


def best_of(scores):
    return pa.Table.from_pylist(
        [
            {
                "image_id": f"i{number:03d}",
                "caption_id": f"c{number:03d}",
                "repeat": 0,
                "clip_score": 0.5,
                "ssim_score": 0.5,
                "weighted_score": score,
                "chain": 0,
            }
            for number, score in enumerate(scores)
        ],
        SCORED,
    )


captions = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 4)), min_size=1, max_size=40
)


@given(captions, st.integers(1, 45))
@settings(max_examples=150, deadline=None)
def test_each_stratum_gives_its_best_and_all_give_the_same_share(chosen, count):
    strata = divided(np.array([float(stratum) for _, stratum in chosen]), 0)
    best = best_of([score for score, _ in chosen])
    rule = SelectionRule(top_k=count, strata=Strata("words"))
    rows = ranked(best, rule, strata).to_pylist()
    selected = {int(row["image_id"][1:]) for row in rows}
    count = min(count, len(chosen))
    assert len(rows) == count
    for stratum in set(strata):
        members = [number for number in range(len(chosen)) if strata[number] == stratum]
        kept = [number for number in members if number in selected]
        assert abs(len(kept) - count * len(members) / len(chosen)) < 1
        by_rank = sorted(members, key=lambda number: (-chosen[number][0], number))
        assert sorted(kept) == sorted(by_rank[: len(kept)])
    places = [(-row["weighted_score"], row["image_id"]) for row in rows]
    assert places == sorted(places)


@given(captions, st.integers(1, 45))
@settings(max_examples=30, deadline=None)
def test_one_stratum_selects_what_no_strata_do(chosen, count):
    best = best_of([score for score, _ in chosen])
    rule = SelectionRule(top_k=count)
    one = np.zeros(len(chosen), np.int64)
    assert ranked(best, rule, one).equals(ranked(best, rule))


def test_shares_that_do_not_divide_go_to_the_largest_remainders():
    assert quotas(np.array([10, 10, 10]), 10).tolist() == [4, 3, 3]
    assert quotas(np.array([1, 98, 1]), 50).tolist() == [1, 49, 0]
    assert quotas(np.array([5, 0, 5]), 10).tolist() == [5, 0, 5]
    # In floats, 3e15 and 3e15 + 1 of 3 would be rounded.
    assert quotas(np.array([2, 1]) * 10**9, 10**9).sum() == 10**9


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_quantiles_keep_equal_values_together_and_in_order(values, quantiles):
    strata = divided(np.array(values, np.float64), quantiles)
    assert len(set(strata)) <= quantiles
    assert set(strata) == set(range(max(strata) + 1))
    for one, other in zip(values, strata, strict=True):
        for another, stratum in zip(values, strata, strict=True):
            if one == another:
                assert other == stratum
            elif one < another:
                assert other <= stratum


def test_quartiles_of_many_values_are_of_equal_size():
    strata = divided(np.random.default_rng(0).permutation(400).astype(float), 4)
    assert np.bincount(strata).tolist() == [100, 100, 100, 100]


def test_what_is_not_known_is_the_last_stratum():
    assert divided(np.array([2.0, np.nan, 1.0, np.nan]), 0).tolist() == [1, 2, 0, 2]
    assert divided(np.array([2.0, np.nan, 1.0]), 2).tolist() == [1, 2, 0]


@pytest.fixture
def store(tmp_path):
    return open_store(file_location(tmp_path))


def run_in_strata(store):
    """Short captions have the best scores; two chains, so that captions are looked up in each."""
    short = ["a red star", "a blue box"]
    long = ["a red star above a big blue box on a white page", "a word of no scene at all, is it?"]
    return [
        chain_of(
            store,
            [
                Scored(f"{text}{'.' * number}", 0, 0.5, base + number / 100 + chain / 1000)
                for number in range(2)
                for base, texts in ((0.8, short), (0.1, long))
                for text in texts
            ],
        )
        for chain in range(1)
    ] + [chain_of(store, [Scored("a green cross", 0, 0.5, 0.99), Scored("two stars", 0, 0.5, 0.0)])]


def texts_of(store, selected):
    rows = open_shard(store, selected.ref).table("selection.parquet", SELECTION).to_pylist()
    return [row["text"] for row in rows]


def test_selection_within_words_keeps_long_captions(store):
    chains = run_in_strata(store)
    plain = select(store, chains, SelectionRule(top_k=5), SILENT)
    assert all(len(text.split()) == 3 for text in texts_of(store, plain))
    rule = SelectionRule(top_k=5, strata=Strata("words", 2))
    within = select(store, chains, rule, SILENT)
    lengths = [len(text.split()) for text in texts_of(store, within)]
    assert sorted(length > 3 for length in lengths) == [False, False, False, True, True]
    assert within.ref.path != plain.ref.path
    manifest = open_shard(store, within.ref).manifest
    assert manifest.configuration == {"top_k": 5, "strata": {"column": "words", "quantiles": 2}}
    assert select(store, chains, rule, SILENT) == within


def run_of_topics(store, chains):
    """Captions of the kitchen have the worst scores, those with a word of their own the best."""
    scored = [
        Scored(text, 0, 0.5, base + number / 1000)
        for topic, count, base in (("sea", 40, 0.6), ("street", 30, 0.4), ("kitchen", 20, 0.1))
        for number, text in enumerate(captions_of(topic, count))
    ]
    scored += [Scored(text, 0, 0.5, 0.9) for text in ("unheard", "of")]
    return [chain_of(store, scored[part::chains]) for part in range(chains)]


def test_each_cluster_gives_the_same_share_whatever_the_shards(store):
    rule = SelectionRule(top_fraction=0.5, strata=Strata(clusters=3))
    selections = [select(store, run_of_topics(store, chains), rule, SILENT) for chains in (1, 3)]
    one, other = (texts_of(store, selected) for selected in selections)
    assert one == other
    plain = select(store, run_of_topics(store, 1), SelectionRule(top_fraction=0.5), SILENT)
    kitchen = set(captions_of("kitchen", 20))
    assert not kitchen & set(texts_of(store, plain))
    assert kitchen & set(one) == set(captions_of("kitchen", 20)[10:])
    manifest = open_shard(store, selections[0].ref).manifest
    assert manifest.configuration == {"top_fraction": 0.5, "strata": {"clusters": 3}}
    counts = [(part["captions"], part["selected"]) for part in manifest.details["strata"]]
    assert counts == [(40, 20), (30, 15), (20, 10), (2, 1)]
    names = [part["name"] for part in manifest.details["strata"]]
    assert names[-1] == "other words"
    for name, topic in zip(names, ("sea", "street", "kitchen"), strict=False):
        assert set(name.split(" · ")) <= set(" ".join(captions_of(topic, 40)).split())
    assert "strata" not in open_shard(store, plain.ref).manifest.details


def test_the_number_of_clusters_is_part_of_the_identity(store):
    chains = run_of_topics(store, 1)
    rules = [SelectionRule(top_k=9, strata=Strata(clusters=number)) for number in (2, 3)]
    first, second = (select(store, chains, rule, SILENT) for rule in rules)
    assert first.ref.path != second.ref.path
    assert select(store, chains, rules[0], SILENT) == first


def test_things_and_statistics_divide_too(store):
    chains = run_in_strata(store)
    rule = SelectionRule(top_fraction=0.5, strata=Strata("things"))
    texts = texts_of(store, select(store, chains, rule, SILENT))
    assert any("above" in text for text in texts)
    assert any("no scene" in text for text in texts)
    ratio = SelectionRule(top_k=3, strata=Strata("alnum_ratio"))
    one = texts_of(store, select(store, chains, ratio, SILENT))
    assert one == texts_of(store, select(store, chains, SelectionRule(top_k=3), SILENT))
    with pytest.raises(InvalidInput, match="no caption has the statistic 'absent'") as raised:
        select(store, chains, SelectionRule(top_k=3, strata=Strata("absent")), SILENT)
    assert [one.field for one in raised.value.violations] == ["rule.strata.column"]
