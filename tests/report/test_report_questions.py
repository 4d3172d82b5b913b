"""The page of questions beside the report: many of each kind, the wrong answers first."""

import json

import pytest

from synthvlm.cli.__main__ import run as run_command
from synthvlm.report.questions import (
    MOST_RIGHT,
    MOST_WRONG,
    asked_kinds,
    questions_page,
)
from synthvlm.report.write import store_record, store_report, write_report
from synthvlm.storage import ShardRef, file_location, open_shard, open_store
from tests.report.reported_run import make_run
from tests.report.test_report import Page
from tests.report.trained_run import with_training

SCENES = 120


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("run") / "store"))
    record = make_run(store, captions=12, repeats=1, top_k=4, shards=1)
    return store, with_training(store, record, SCENES)


@pytest.fixture(scope="module")
def evaluation(run):
    store, record = run
    return open_shard(store, record.evaluation)


@pytest.fixture(scope="module")
def kinds(evaluation):
    record = json.loads(evaluation.read("evaluation.json"))
    tasks = ShardRef(record["tasks_path"], record["tasks"], 0)
    return asked_kinds(evaluation, open_shard(evaluation.store, tasks))


def test_each_kind_shows_its_wrong_answers_first_and_then_some_right_ones(kinds):
    assert len(kinds) == 9
    assert sum(kind.asked for kind in kinds) == 3 * SCENES
    for kind in kinds:
        wrong = min(kind.asked - kind.right, MOST_WRONG)
        right = min(kind.right, MOST_RIGHT)
        assert [card.right for card in kind.cards] == [False] * wrong + [True] * right
        assert {card.kind for card in kind.cards} == {kind.name}
    assert any(kind.right > MOST_RIGHT for kind in kinds)


def test_a_card_tells_the_answers_with_and_without_the_image_and_the_truth(kinds):
    for card in (card for kind in kinds for card in kind.cards):
        assert card.image.startswith("data:image/png;base64,")
        assert card.right == (card.answer == card.truth)
        assert card.unseen in (card.truth, "<b>purple</b>")


def test_the_page_is_quiet_escaped_and_the_same_every_time(evaluation, kinds):
    html = questions_page(evaluation, "report.html")
    assert questions_page(evaluation, "report.html") == html
    page = Page(html)
    assert not page.all("script")
    assert not page.all("link")
    assert "<b>purple</b>" not in html
    assert "<b>purple</b>" in "".join(page.text)
    assert len(page.all("img")) == sum(len(kind.cards) for kind in kinds)
    assert {attrs["href"] for attrs in page.all("a")} == {
        "report.html",
        *(f"#{kind.name}" for kind in kinds),
    }
    assert len(html) < 2_000_000


def test_the_report_links_to_the_page_that_is_written_beside_it(run, evaluation, tmp_path):
    store, record = run
    store_record(store, "reports/demo", record)
    report = store.read(store_report(store, "reports/demo")).decode()
    questions = store.read("reports/demo/questions.html").decode()
    assert '<a href="questions.html">' in report
    assert questions == questions_page(evaluation, "report.html")
    write_report(store.uri, record, tmp_path / "report.html")
    assert (tmp_path / "questions.html").read_text(encoding="utf-8") == questions


def test_the_command_writes_the_page_of_an_evaluation(run, evaluation, tmp_path, capsys):
    store, _ = run
    to = tmp_path / "asked.html"
    call = ["evaluations", "questions", "demo", "--to", str(to), "--store", store.uri]
    assert run_command(call) == 0
    assert str(to.name) in capsys.readouterr().out
    assert to.read_text(encoding="utf-8") == questions_page(evaluation)


def test_an_evaluation_without_pictures_has_no_page(tmp_path):
    store = open_store(file_location(tmp_path / "store"))
    record = make_run(store, captions=4, repeats=1, top_k=2, shards=1)
    store_record(store, "reports/demo", record)
    store_report(store, "reports/demo")
    assert "reports/demo/questions.html" not in store.list("reports")
