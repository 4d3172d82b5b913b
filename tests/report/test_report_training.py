"""What the report says of a model that was trained and evaluated in the run."""

import pytest

from synthvlm.errors import DataCorrupt
from synthvlm.evaluation.results import RECORD_FILE, EvaluationRecord
from synthvlm.report.collect import collect
from synthvlm.report.evaluation import SHOWN
from synthvlm.report.render import render_report
from synthvlm.storage import file_location, open_shard, open_store
from tests.report.reported_run import make_run
from tests.report.test_report import Page
from tests.report.trained_run import STEPS, with_training


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("run") / "store"))
    return store, with_training(store, make_run(store, captions=12, repeats=1, top_k=4, shards=1))


@pytest.fixture(scope="module")
def report(run):
    return collect(*run)


@pytest.fixture(scope="module")
def page(report):
    return Page(render_report(report))


def test_each_stage_has_its_curve_its_speed_and_its_padding(report, page):
    assert [curve.stage for curve in report.curves] == list(STEPS)
    for curve in report.curves:
        assert curve.points[-1].step == STEPS[curve.stage]
        assert curve.samples_per_second in (50.0, 50.5, 51.0)
        assert curve.padding == pytest.approx(0.125)
    charts = [attrs for attrs in page.all("svg") if "Loss of the stage" in attrs["aria-label"]]
    assert len(charts) == 2
    lines = page.all("polyline")
    assert len(lines) == 2
    for line in lines:
        places = [tuple(map(float, place.split(","))) for place in line["points"].split()]
        assert all(0 <= x <= 360 and 0 <= y <= 210 for x, y in places)
        assert places[0][1] < places[-1][1]  # a loss that falls goes down
    assert "12.5 %" in "".join(page.text)


def test_results_stand_beside_their_baselines(run, report, page):
    store, record = run
    shard = open_shard(store, record.evaluation)
    stored = EvaluationRecord.model_validate_json(shard.read(RECORD_FILE))
    assert report.evaluation.record == stored
    text = "".join(page.text)
    for result in stored.results:
        if result.unit == "share":
            assert f"{100 * result.estimate.value:.1f} %" in text
    assert "points (" in text
    assert "kind: relation" in text
    assert "things: 2" in text


def test_questions_are_shown_with_picture_answer_and_truth(report, page):
    cards = report.evaluation.questions
    assert {card.right for card in cards} == {True, False}
    for kind in {card.kind for card in cards}:
        some = [card for card in cards if card.kind == kind]
        assert len([card for card in some if card.right]) <= SHOWN
        assert len([card for card in some if not card.right]) <= SHOWN
    assert all(card.right == (card.answer == card.truth) for card in cards)
    pictures = [attrs for attrs in page.all("img") if "Drawn scene" in attrs["alt"]]
    assert len(pictures) == len(cards)
    assert "<b>purple</b>" in "".join(page.text)


def test_a_training_whose_speed_is_not_recorded_still_has_its_curves(run):
    store, record = run
    speed = f"{record.model.path}/throughput.jsonl"
    stored = store.read(speed)
    try:
        store.delete([speed])
        curve = collect(store, record).curves[0]
        assert (curve.samples_per_second, curve.padding) == (None, None)
        render_report(collect(store, record))
        store.write(speed, b"{}\n")
        with pytest.raises(DataCorrupt, match="throughput"):
            collect(store, record)
    finally:
        store.write(speed, stored)
