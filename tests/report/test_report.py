"""The run report: what it collects from a store, and the page that it makes from that."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.report.collect import BEST, BORDERLINE, collect
from synthvlm.report.drops import EXAMPLES, TEXT_LENGTH, shorten
from synthvlm.report.model import Counts, Gallery
from synthvlm.report.pictures import MAX_SIDE
from synthvlm.report.record import RunRecord
from synthvlm.report.render import render_report
from synthvlm.report.write import store_record, store_report, write_report
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import DROPPED, SCORES, SELECTION
from tests.report.reported_run import GENERATOR, SCORER, make_run

HOSTILE = (
    "a red <script>alert(1)</script> circle",
    '"><img src=x onerror=alert(2)> and a green square',
    "a blue {{7*7}} star &amp; a small green box",
)
VOID = {"meta", "img", "input", "line", "rect", "br", "wbr", "path"}


class Page(HTMLParser):
    """The elements of a page; fails on one that is closed in the wrong place."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.text = []
        self._open = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("run") / "store"))
    return store, make_run(store, captions=60, repeats=2, top_k=20, more=HOSTILE)


@pytest.fixture(scope="module")
def report(run):
    return collect(*run)


@pytest.fixture(scope="module")
def page(report):
    return Page(render_report(report))


def scores_of(run):
    store, record = run
    return [
        row
        for shard in record.shards
        for row in open_shard(store, shard.score_set).table("scores.parquet", SCORES).to_pylist()
    ]


def selection_of(run):
    store, record = run
    return open_shard(store, record.selection).table("selection.parquet", SELECTION).to_pylist()


def test_counts_are_those_of_the_shards(run, report):
    scores = scores_of(run)
    assert report.counts == Counts(
        read=run[1].read,
        pooled=run[1].read - 3,
        kept=sum(shard.caption_set.records for shard in run[1].shards),
        generated=len(scores) + 2,
        scored=len(scores),
        captioned=len({row["caption_id"] for row in scores}),
        selected=20,
        truncated_prompts=4,
        generation_failed={"blank": 2},
        scoring_failed={"undecodable": 2},
    )
    assert report.digests["generation model"] == GENERATOR
    assert report.digests["alignment model"] == SCORER
    assert report.digests["dataset demo@3"] == run[1].version.digest


def test_every_dropped_caption_counts_under_one_filter(run, report):
    store, record = run
    dropped = [
        row
        for shard in record.shards
        for row in open_shard(store, shard.caption_set)
        .table("dropped.parquet", DROPPED)
        .to_pylist()
    ]
    by_rule = {rule.rule: rule for rule in report.filters}
    assert sum(rule.records for rule in report.filters) == len(dropped)
    assert report.counts.pooled - report.counts.kept == len(dropped)
    for name, rule in by_rule.items():
        texts = [row["text"] for row in dropped if row["dropped_by"][0] == name]
        assert rule.records == len(texts)
        assert len(rule.examples) == min(EXAMPLES, len(texts))
        assert {example.text for example in rule.examples} <= set(texts)
        least, largest = rule.limits
        for example in rule.examples:
            below = least is not None and example.value < least
            assert below or (largest is not None and example.value > largest)
    assert by_rule["special_characters_filter"].limits == (0.16534802, 0.42023757)
    assert by_rule["alphanumeric_filter"].limits == (0.60, None)


def test_quarantined_records_are_shown_with_their_place(report):
    reasons = {reason.reason: reason for reason in report.quarantine}
    assert [reason.records for reason in report.quarantine] == [2, 1]
    (broken,) = reasons["invalid_json"].examples
    assert (broken.file, broken.line) == ("pool.jsonl", 3)


def test_the_gallery_holds_the_extremes_of_all_scores(run, report):
    scores, selection, gallery = scores_of(run), selection_of(run), report.gallery
    ids = [row["image_id"] for row in selection]
    assert [card.image_id for card in gallery.best] == ids[:BEST]
    assert [card.rank for card in gallery.best] == list(range(1, BEST + 1))
    assert [card.image_id for card in gallery.last_selected] == ids[-BORDERLINE:]

    chosen = {row["caption_id"] for row in selection}
    best, worst = {}, {}
    for row in scores:
        value, caption = row["weighted_score"], row["caption_id"]
        if caption not in chosen:
            best[caption] = max(best.get(caption, 0), value)
        worst[caption] = min(worst.get(caption, 1), value)
    rejected = [card.scores["weighted_score"] for card in gallery.first_rejected]
    assert rejected == sorted(best.values(), reverse=True)[:BORDERLINE]
    assert not any(card.selected for card in gallery.first_rejected)
    lowest = [card.scores["weighted_score"] for card in gallery.worst]
    assert lowest == sorted(worst.values())[:BEST]

    spread = {
        caption: max(values) - min(values)
        for caption in chosen
        if (values := [row["weighted_score"] for row in scores if row["caption_id"] == caption])
    }
    shown = [
        cards[0].scores["weighted_score"] - cards[-1].scores["weighted_score"]
        for cards in gallery.repeats
    ]
    assert shown == pytest.approx(sorted(spread.values(), reverse=True)[: len(shown)])
    assert all(cards[0].selected for cards in gallery.repeats)


def test_distributions_agree_with_the_tables(run, report):
    scores, selection = scores_of(run), selection_of(run)
    for shown in report.distributions:
        values = sorted(row[shown.column] for row in scores)
        assert sum(shown.histogram.everything) == len(values)
        assert sum(shown.histogram.selected) == len(selection)
        assert all(
            part <= whole
            for part, whole in zip(
                shown.histogram.selected, shown.histogram.everything, strict=True
            )
        )
        assert shown.everything.mean == pytest.approx(sum(values) / len(values))
        assert shown.everything.median == pytest.approx(values[(len(values) - 1) // 2], abs=5e-4)
        assert (shown.everything.least, shown.everything.largest) == (values[0], values[-1])
        for place, count in enumerate(shown.histogram.everything):
            left = shown.histogram.low + place * shown.histogram.width
            inside = [v for v in values if left - 1e-6 <= v <= left + shown.histogram.width + 1e-6]
            assert count <= len(inside)
    assert report.distributions[-1].threshold == selection[-1]["weighted_score"]
    assert report.distributions[0].threshold is None


def test_the_same_run_gives_the_same_page(run, report):
    assert render_report(collect(*run)) == render_report(report)


def test_the_page_is_whole_and_needs_nothing_else(page):
    assert not page.all("script")
    assert not page.all("link")
    policy = page.all("meta")[2]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'")
    for _, attrs in page.elements:
        assert not any(name.startswith("on") for name in attrs)
        assert attrs.get("href", "#").startswith("#")
        assert attrs.get("src", "data:image/").startswith("data:image/")
    targets = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
    assert {attrs["href"][1:] for attrs in page.all("a")} <= targets


def test_the_page_suits_screen_readers_and_phones(page):
    assert page.all("html")[0]["lang"] == "en"
    assert any(attrs.get("name") == "viewport" for attrs in page.all("meta"))
    assert len(page.all("h1")) == 1
    assert all(len(attrs["alt"]) > 30 for attrs in page.all("img"))
    charts = page.all("svg")
    assert len(charts) == 3
    assert all(attrs["role"] == "img" and "mean" in attrs["aria-label"] for attrs in charts)


def test_images_are_embedded_as_they_are(run, page):
    store, _ = run
    best = selection_of(run)[0]
    stored = store.read_range(f"{best['image_set']}/images.tar", best["offset"], best["size"])
    embedded = page.all("img")[0]["src"]
    assert base64.b64decode(embedded.removeprefix("data:image/png;base64,")) == stored


def test_hostile_captions_are_only_text(report, page):
    shown = "".join(page.text)
    best = {card.caption for card in report.gallery.best}
    for caption in HOSTILE:
        assert caption in best
        assert caption in shown
    assert any(HOSTILE[0] in attrs["alt"] for attrs in page.all("img"))
    assert "49" not in re.findall(r"a blue (\d+) star", shown)


def test_large_images_and_long_texts_are_cut_down(tmp_path):
    store = open_store(file_location(tmp_path))
    long = "a red circle beside a green square, " * 100
    record = make_run(
        store, captions=3, top_k=2, shards=1, more=["a red circle and one more"], scale=8
    )
    data = collect(store, record)
    card = data.gallery.best[0]
    assert (card.width, card.height) == (MAX_SIDE, MAX_SIDE)
    encoded = base64.b64decode(card.image.removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(encoded)).size == (MAX_SIDE, MAX_SIDE)

    assert len(shorten(long)) < TEXT_LENGTH + 30
    assert "3,600 characters" in shorten(long)


def test_a_run_that_selected_everything_has_no_threshold(tmp_path):
    store = open_store(file_location(tmp_path))
    data = collect(store, make_run(store, captions=5, repeats=1, top_k=50, shards=1))
    assert data.distributions[-1].threshold is None
    assert data.gallery.first_rejected == []
    assert data.gallery.repeats == []
    text = "".join(Page(render_report(data)).text)
    assert "Just rejected" not in text
    assert "below the threshold" not in text


def test_a_run_without_anything_still_has_a_page(report):
    empty = replace(
        report,
        counts=Counts(0, 0, 0, 0, 0, 0, 0),
        quarantine=[],
        filters=[],
        gallery=Gallery([], [], [], [], []),
        stages=[],
        configuration={},
        shards=[],
    )
    assert "Nothing was dropped" in "".join(Page(render_report(empty)).text)


def test_damage_and_loss_are_errors(tmp_path):
    folder = tmp_path / "store"
    store = open_store(file_location(folder))
    record = make_run(store, captions=8, top_k=2, shards=1)
    tar = folder / record.shards[0].image_set.path / "images.tar"
    tar.write_bytes(bytes(tar.stat().st_size))
    with pytest.raises(DataCorrupt, match="does not have the digest"):
        collect(store, record)
    store.delete(store.list(record.selection.path))
    with pytest.raises(NotFound):
        collect(store, record)


def test_writing_the_report(run, tmp_path):
    store, record = run
    again = RunRecord.model_validate_json(record.model_dump_json())
    assert again == record
    to = tmp_path / "report.html"
    assert write_report(store.uri, again, to) == to
    assert to.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_is_made_from_the_store_alone(run, tmp_path):
    store, record = run
    assert store_record(store, "runs/demo", record) == "runs/demo/record.json"
    page = store_report(store, "runs/demo")
    assert page == "runs/demo/report.html"
    local = write_report(store.uri, record, tmp_path / "report.html")
    assert store.read(page) == local.read_bytes()
    with pytest.raises(NotFound):
        store_report(store, "runs/absent")
    store.write("runs/damaged/record.json", b"{}")
    with pytest.raises(DataCorrupt, match="is not the record of a run"):
        store_report(store, "runs/damaged")
