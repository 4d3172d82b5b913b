"""What differs between versions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.diff import Change, compare
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.storage import open_shard, open_store, parse_location
from tests.dataset.shards import Scored, chain_of, image_id, picture


def version_of(store, chains, rule, configuration=None):
    selection = select(store, chains, rule, SILENT).ref
    wanted = AssemblyRequest(selection, "shapes", 3, configuration or {})
    return open_shard(store, assemble(store, wanted, SILENT).ref)


names = st.sets(st.integers(0, 11), min_size=1)


@given(names, names)
@settings(max_examples=12, deadline=None)
def test_pairs_are_compared_as_sets(older, newer):
    store = open_store(parse_location("memory://diff"))
    one, two = (
        version_of(
            store,
            [
                chain_of(
                    store, [Scored(f"caption {name}", 0, 0.5, 0.5) for name in sorted(captions)]
                )
            ],
            SelectionRule(top_fraction=1),
        )
        for captions in (older, newer)
    )
    difference = compare(one, two)
    ids = {name: image_id(f"caption {name}", 0) for name in older | newer}
    assert difference.added_ids == sorted(ids[name] for name in newer - older)
    assert difference.removed_ids == sorted(ids[name] for name in older - newer)
    assert difference.added == len(newer - older)
    assert difference.removed == len(older - newer)
    assert difference.unchanged == len(older & newer)
    # The one key that the fixtures put the scores themselves into.
    assert {change.key for change in difference.changes} <= {"alignment.test"}
    back = compare(two, one)
    assert (back.added_ids, back.removed_ids) == (difference.removed_ids, difference.added_ids)


def test_configurations_are_compared_by_key(store):
    first = chain_of(store, [Scored("a cat", 0, 0.5, 0.5)])
    other = chain_of(store, [Scored("a cat", 0, 0.5, 0.5)], steps=30)
    rule = SelectionRule(top_k=1)
    old = version_of(store, [first], rule, {"a": {"b": 1, "gone": [1, 2]}, "same": {}})
    new = version_of(
        store, [other], SelectionRule(top_fraction=1.0), {"a": {"b": None}, "same": {}}
    )
    assert compare(old, new).changes == [
        Change("dataset.selection_rule.top_fraction", "", "1.0"),
        Change("dataset.selection_rule.top_k", "1", ""),
        Change("generation.sampling.steps", "20", "30"),
        Change("run.a.b", "1", "null"),
        Change("run.a.gone", "[1,2]", ""),
    ]


def test_several_configurations_of_a_stage_are_numbered(store):
    cat = chain_of(store, [Scored("a cat", 0, 0.5, 0.5)])
    dog = chain_of(store, [Scored("a dog", 0, 0.5, 0.5)], steps=30)
    rule = SelectionRule(top_k=2)
    old = version_of(store, [cat], rule)
    new = version_of(store, [cat, dog], rule)
    keys = [change.key for change in compare(old, new).changes]
    assert "generation.model_digest" in keys
    assert "generation.0.model_digest" in keys
    assert "generation.1.sampling.steps" in keys


def test_the_same_image_with_other_bytes_is_another_pair(store, monkeypatch):
    rule = SelectionRule(top_k=2)
    scored = [Scored("a cat", 0, 0.5, 0.5), Scored("a dog", 0, 0.5, 0.5)]
    old = version_of(store, [chain_of(store, scored)], rule)
    monkeypatch.setattr(
        "tests.dataset.shards.picture",
        lambda text, repeat: picture(text, repeat + (text == "a dog")),
    )
    new = version_of(store, [chain_of(store, scored, steps=30)], rule)
    difference = compare(old, new)
    assert (difference.added, difference.removed, difference.unchanged) == (1, 1, 1)
    assert difference.added_ids == difference.removed_ids == [image_id("a dog", 0)]


def test_the_mix_of_captions_is_that_of_each_version():
    store = open_store(parse_location("memory://mix"))
    one, two = (
        version_of(
            store,
            [chain_of(store, [Scored(text, 0, 0.5, 0.5) for text in texts])],
            SelectionRule(top_fraction=1),
        )
        for texts in (["a red star", "a red star above a blue box"], ["a red star"])
    )
    older, newer = compare(one, two).mixes
    assert (older.mean_words, newer.mean_words) == (5.0, 3.0)
    assert dict(older.things) == {1: 1, 2: 1}
    assert dict(newer.things) == {1: 1}
    assert older.sample.texts().count("a red star above a blue box") == 1
    assert newer.sample.texts() == ["a red star"]
