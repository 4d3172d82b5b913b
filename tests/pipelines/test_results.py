"""What a finished run reports to programs."""

from pathlib import Path
from typing import Any

from synthvlm_pipelines.events import StageEvent, State
from synthvlm_pipelines.results import RunResults
from synthvlm_pipelines.state import RunState, stages_until

RESULTS: dict[str, dict[str, Any]] = {
    "import": {"read": "5", "quarantined": [{"rule": "invalid_json", "records": "1"}]},
    "curate": {"kept": "3"},
    "generate": {"generated": "6", "failed": [{"rule": "blank", "records": "2"}]},
    "score": {"scored": "5", "failed": [{"rule": "undecodable", "records": "1"}]},
    "select": {"selected": "2"},
    "assemble": {"name": "demo", "version": 3, "digest": "sha256:00"},
}
PROGRESS: dict[str, dict[str, Any]] = {
    "generate": {"done": 8, "total": 8, "resumed": 1, "reused": 5},
    "score": {"done": 6, "total": 6, "reused": 4},
}


def finished() -> RunResults:
    state = RunState()
    for stage, result in RESULTS.items():
        progress = PROGRESS.get(stage, {})
        state.apply(StageEvent(stage, State.FINISHED, result=result, **progress))
    return RunResults(state)


def test_the_summary_has_what_scripts_rely_on() -> None:
    assert finished().summary(Path("/home/report.html"), 1.23456) == {
        "dataset": "demo",
        "version": 3,
        "digest": "sha256:00",
        "counts": {
            "read": 5,
            "quarantined": 1,
            "kept": 3,
            "generated": 6,
            "scored": 5,
            "selected": 2,
        },
        "made": {"images": 2, "scores": 2},
        "reused": {"images": 6, "scores": 4},
        "model": None,
        "evaluation": None,
        "report": "/home/report.html",
        "seconds": 1.235,
    }


def test_the_summary_names_what_jobs_have_made() -> None:
    state = RunState(stages_until("evaluate"))
    for stage, result in RESULTS.items():
        state.apply(StageEvent(stage, State.FINISHED, result=result))
    for stage, path in (("train", "models/m"), ("evaluate", "evaluation/e")):
        result = {"path": path, "digest": f"sha256:{path[-1]}", "records": 9, "found": False}
        state.apply(StageEvent(stage, State.FINISHED, result=result))
    assert state.is_finished
    summary = RunResults(state).summary(None, 1.0)
    assert summary["model"] == {"path": "models/m", "digest": "sha256:m"}
    assert summary["evaluation"] == {"path": "evaluation/e", "digest": "sha256:e"}


def test_a_run_without_a_report_says_so() -> None:
    assert finished().summary(None, 1.0)["report"] is None


def test_failures_of_all_shards_and_stages_are_added_up() -> None:
    assert finished().failed() == {"blank": 2, "undecodable": 1}
