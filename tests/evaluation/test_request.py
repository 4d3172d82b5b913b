"""Requests of the job, right and wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from synthvlm.errors import InvalidInput
from synthvlm.evaluation.__main__ import main
from synthvlm.evaluation.request import read_request
from synthvlm.jobs.events import State, parse_event

GOOD: dict[str, Any] = {"name": "m", "store": "memory://x", "model": {"folder": "/models/m"}}


def written(folder: Path, content: object) -> Path:
    path = folder / "request.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_request_overrides_the_profile(tmp_path: Path) -> None:
    plain = read_request(written(tmp_path, GOOD)).settings()
    assert plain.scenes is not None
    assert plain.scenes.scenes == 1000
    fewer = {**GOOD, "evaluation": {"batch_size": 4, "scenes": {"scenes": 9}}}
    settings = read_request(written(tmp_path, fewer)).settings()
    assert (settings.batch_size, settings.threads) == (4, plain.threads)
    assert settings.scenes is not None
    assert settings.scenes.scenes == 9


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": {}}, "model: give path and digest of a shard, or a folder"),
        ({"model": {"path": "models/x"}}, "model: give path and digest"),
        ({"more": 1}, "more: Extra inputs"),
        ({"name": ""}, "name: "),
        ({"profile": "absent"}, "there is no profile 'absent'"),
        ({"evaluation": {"scenes": None}}, "give at least one of the sections"),
        ({"evaluation": {"scenes": {"scenes": 0}}}, "evaluation.scenes.scenes: "),
        ({"evaluation": {"lmms": {"python": "p", "benchmarks": ["x"]}}}, "unknown benchmarks"),
    ],
)
def test_a_wrong_request_names_its_field(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    path = written(tmp_path, {**GOOD, **change})
    with pytest.raises(InvalidInput, match="(?s)" + told.replace(".", r"\.")):
        read_request(path).settings()


def test_the_job_ends_with_one_line_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--request", str(tmp_path / "absent.json")]) == 2
    assert main(["--request", str(written(tmp_path, "{"))]) == 2
    assert main(["--request", str(written(tmp_path, GOOD))]) == 1
    told = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    assert [event and event.state for event in told] == [State.FAILED] * 3
    assert told[2] is not None
    assert "/models/m does not exist" in told[2].reason
