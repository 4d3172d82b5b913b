"""Two evaluations compared, committed with their lineage, and shown by the command line."""

import json
from pathlib import Path

import pytest

from synthvlm.cli.__main__ import run
from synthvlm.errors import InvalidInput
from synthvlm.evaluation.comparison import COMPARISON_FILE, Comparison, compare
from synthvlm.storage import Store, file_location, open_shard, open_store
from tests.evaluation.records import commit_evaluation, mostly, scene_answers


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(file_location(tmp_path))


def test_a_clear_difference_is_found_and_its_lineage_kept(store: Store) -> None:
    poor = commit_evaluation(store, "poor", scene_answers(mostly(0.3, 1)))
    good = commit_evaluation(store, "good", scene_answers(mostly(0.8, 2)))
    ref, comparison = compare(store, poor, good)
    whole, *groups = comparison.differences
    assert whole.low > 0.2
    assert whole.difference == pytest.approx(whole.second - whole.first)
    assert whole.difference * whole.questions == pytest.approx(whole.only_second - whole.only_first)
    assert [(one.by, one.name) for one in groups] == [("kind", "colour"), ("kind", "shape")]
    assert sum(one.questions for one in groups) == whole.questions == 80
    manifest = open_shard(store, ref).manifest
    assert manifest.inputs == {"first": poor.digest, "second": good.digest}
    stored = Comparison.model_validate_json(open_shard(store, ref).read(COMPARISON_FILE))
    assert stored == comparison
    assert compare(store, poor, good) == (ref, comparison)


def test_equal_models_are_not_told_apart(store: Store) -> None:
    answers = scene_answers(mostly(0.5, 1))
    one, other = (commit_evaluation(store, name, answers) for name in ("one", "other"))
    _, comparison = compare(store, one, other)
    assert {(x.difference, x.low, x.high) for x in comparison.differences} == {(0, 0, 0)}


def test_other_questions_cannot_be_compared(store: Store) -> None:
    one = commit_evaluation(store, "one", scene_answers(mostly(0.5, 1)))
    fewer = commit_evaluation(store, "fewer", scene_answers(mostly(0.5, 1), scenes=39))
    other = commit_evaluation(store, "other", scene_answers(mostly(0.5, 1)), tasks="sha256:else")
    with pytest.raises(InvalidInput, match="asked other questions of scene-vqa"):
        compare(store, one, fewer)
    with pytest.raises(InvalidInput, match="answered other questions"):
        compare(store, one, other)


def test_the_command_line_lists_shows_and_compares(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--store", store.uri]
    assert run(["evaluations", "list", *place]) == 0
    assert "no evaluations yet" in capsys.readouterr().out
    first = commit_evaluation(store, "poor", scene_answers(mostly(0.3, 1)))
    commit_evaluation(store, "good", scene_answers(mostly(0.8, 2)))
    assert run(["evaluations", "list", *place, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["model"]["name"] for one in listed} == {"poor", "good"}
    assert run(["evaluations", "show", "good", *place]) == 0
    shown = capsys.readouterr().out
    assert "scene-vqa" in shown
    assert "kind: colour" in shown
    digits = first.digest.removeprefix("sha256:")[:12]
    assert run(["evaluations", "compare", digits, "good", *place, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["second"]["name"] == "good"
    assert compared["differences"][0]["low"] > 0
    assert run(["evaluations", "compare", digits, "good", *place]) == 0
    assert "good less poor" in capsys.readouterr().out
    assert run(["evaluations", "show", "absent", *place]) != 0
    assert "evaluations list" in capsys.readouterr().err
