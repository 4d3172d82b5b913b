"""The same run again: it resumes, and goes on to a model and its evaluation."""

import json
from typing import Any

import pytest

from tests.e2e.place import Place

pytestmark = pytest.mark.e2e


def test_a_run_trains_and_evaluates_a_model_once(up: Place, undisturbed: dict[str, Any]) -> None:
    first = up.make("--until", "evaluate")
    for what in ("dataset", "version", "digest", "counts"):
        assert first[what] == undisturbed[what]
    assert first["made"] == {"images": 0, "scores": 0}
    assert undisturbed["model"] is undisturbed["evaluation"] is None
    assert (up.home.store / first["model"]["path"] / "model.safetensors").is_file()
    arguments = json.loads(max(up.home.runs.glob("*/arguments.json")).read_text())
    request = json.loads(arguments["train_request"])
    assert request["training"]["finetune"]["steps"] == 3  # settings, not the name of a file alone
    shown = up.json("evaluations", "show", "scenes", "--json")
    assert shown["digest"] == first["evaluation"]["digest"]

    again = up.make("--until", "evaluate")
    for what in ("version", "digest", "counts", "model", "evaluation"):
        assert again[what] == first[what]
