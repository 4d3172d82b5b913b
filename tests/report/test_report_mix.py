"""How the report shows what selection does to the mix of captions."""

import pytest

from synthvlm.caption_mix import CaptionMix, length_shifts, thing_shifts, word_shifts
from synthvlm.dataset.best import Strata
from synthvlm.report.collect import collect
from synthvlm.report.render import render_report
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import CAPTIONS, SELECTION
from tests.report.reported_run import make_run
from tests.report.test_report import Page


def test_the_shares_are_those_of_the_shards(tmp_path):
    store = open_store(file_location(tmp_path))
    record = make_run(store, captions=40, repeats=1, top_k=8, shards=2, more=["<i>one</i> word"])
    mix = collect(store, record).mix
    kept = [
        text
        for shard in record.shards
        for text in open_shard(store, shard.caption_set)
        .table("captions.parquet", CAPTIONS)["text"]
        .to_pylist()
    ]
    selection = open_shard(store, record.selection).table("selection.parquet", SELECTION)
    selected = selection["text"].to_pylist()
    assert sum(one.before for one in mix.lengths) == pytest.approx(1)
    assert sum(one.after for one in mix.things) == pytest.approx(1)
    mean = [sum(len(text.split()) for text in texts) / len(texts) for texts in (kept, selected)]
    assert mix.mean_words == pytest.approx(mean)
    assert sum(one.before for one in mix.clusters) == pytest.approx(1)
    assert sum(one.after for one in mix.clusters) == pytest.approx(1)
    changes = [round(abs(one.after - one.before), 12) for one in mix.words]
    assert changes == sorted(changes, reverse=True)
    page = Page(render_report(collect(store, record)))
    assert "Mix of captions" in "".join(page.text)
    assert {one.name for one in mix.clusters} <= set(page.text)


def test_where_selection_was_within_clusters_the_shares_are_theirs(tmp_path):
    store = open_store(file_location(tmp_path))
    record = make_run(store, captions=40, repeats=1, top_k=20, strata=Strata(clusters=3))
    manifest = open_shard(store, record.selection).manifest
    strata, captions = manifest.details["strata"], manifest.counts["captions"]
    clusters = collect(store, record).mix.clusters
    assert [one.name for one in clusters] == [one["name"] for one in strata]
    assert [one.before for one in clusters] == [one["captions"] / captions for one in strata]
    assert [one.after for one in clusters] == [one["selected"] / 20 for one in strata]


def test_shifts_of_captions_that_are_known():
    before, after = CaptionMix(), CaptionMix()
    before.add(
        [
            "a red star",
            "there are two blue boxes and a red star",
            "no scene of this world, surely not",
        ]
    )
    after.add(["a red star"])
    assert [(s.name, s.before, s.after) for s in thing_shifts(before, after)] == [
        ("1", 0.5, 1.0),
        ("3", 0.5, 0.0),
    ]
    assert [(s.name, round(s.before, 3), s.after) for s in length_shifts(before, after)] == [
        ("0 to 5", 0.333, 1.0),
        ("6 to 10", 0.667, 0.0),
    ]
    words = word_shifts(before, after, 2)
    assert [word.name for word in words] == ["a", "and"]
    assert (words[0].before, words[0].after) == (pytest.approx(2 / 3), 1.0)
    assert (words[1].before, words[1].after) == (pytest.approx(1 / 3), 0.0)
    assert CaptionMix().mean_words == 0


def test_memory_is_bounded_by_the_commonest_words(monkeypatch):
    monkeypatch.setattr("synthvlm.caption_mix.MOST_WORDS", 10)
    mix = CaptionMix()
    for number in range(100):
        mix.add([f"common w{number}"])
        assert len(mix.having) <= 21
    assert mix.having["common"] == 100
