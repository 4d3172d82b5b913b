"""What a run leaves in its store: of its failures, of steps that were killed, of an earlier try."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from synthvlm import __version__
from synthvlm.errors import InvalidInput
from synthvlm.report.outcome import DeviceUse, Failure, Outcome
from synthvlm.report.record import Prices, Stage
from synthvlm.storage import file_uri
from synthvlm.storage.ledger import attempted
from synthvlm.usage import used_device, work_for
from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.curate import curate
from synthvlm_pipelines.components.evaluate import evaluate
from synthvlm_pipelines.components.generate import generate
from synthvlm_pipelines.components.import_captions import import_captions
from synthvlm_pipelines.components.score import score
from synthvlm_pipelines.components.select import select
from synthvlm_pipelines.components.train import train
from synthvlm_pipelines.connection import RUN_ID_VARIABLE
from synthvlm_pipelines.ending import EndedRun, end_run
from synthvlm_pipelines.events import PROGRESS_FILE, StageEvent, State
from synthvlm_pipelines.records import RunFolder, StageRecord
from synthvlm_pipelines.requests import StageRequests
from synthvlm_pipelines.state import JOBS, STAGES

RESUME = "synthvlm run --captions a.jsonl --name demo"
DIGESTS = ["sha256:1"]


class Steps:
    """Runs the steps of a dataset run in this process, in their order."""

    def __init__(self, address: str, store_uri: str, **changed: str) -> None:
        jobs = StageRequests(train={"store": store_uri}, evaluate={"store": store_uri})
        self.requests = {**jobs.arguments(), **changed}
        self._address = address
        self._common = {
            "code_version": __version__,
            "run_name": "a-run",
            "store_uri": store_uri,
        }
        self.folder = RunFolder(store_uri, "a-run")

    def step(self, component: Any, stage: str, **inputs: Any) -> Any:
        address = {} if stage in JOBS else {"address": self._address}
        request = self.requests[f"{stage}_request"]
        return component.python_func(**address, request=request, **self._common, **inputs)

    def run(self) -> None:
        items = self.step(import_captions, "import_captions", caption_file_digests=DIGESTS)
        chains: list[tuple[str, str, str]] = []
        for item in items:
            curated = self.step(curate, "curate", item=item)
            generated = self.step(generate, "generate", item=item, curated=curated)
            scored = self.step(score, "score", item=item, curated=curated, generated=generated)
            chains.append((curated, generated, scored))
        of = [list(results) for results in zip(*chains, strict=True)]
        selected = self.step(select, "select", curated=of[0], generated=of[1], scored=of[2])
        version = self.step(assemble, "assemble", selected=selected)
        model = self.step(train, "train", version=version)
        self.step(evaluate, "evaluate", model=model)

    def end(self, attempt: str = "", told: str = "FAILED") -> Outcome:
        arguments = {
            **self.requests,
            "resume_command": RESUME,
            "caption_file_digests": DIGESTS,
            "profile": "mini",
        }
        return end_run(self.folder, EndedRun.of(arguments, attempt=attempt, told=told))


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "progress.jsonl"))


@pytest.fixture
def done_jobs(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Jobs that have ended at once with a shard; one may have failed."""

    def jobs(failing: str) -> None:
        for name in JOBS:

            def job(*_: Any, name: str = name) -> dict[str, Any]:
                if name == failing:
                    raise InvalidInput(f"the {name} does not fit")
                return {"store": "", "path": f"{name}/1", "digest": "sha256:1", "records": 1}

            monkeypatch.setattr(f"synthvlm_pipelines.jobs.{name}", job)

    return jobs


REQUESTS = {
    "import": "ImportCaptionsRequest",
    "curate": "CurateShardRequest",
    "generate": "GenerateShardRequest",
    "score": "ScoreShardRequest",
    "select": "SelectRequest",
    "assemble": "AssembleRequest",
}


def refusing(stage: str) -> Callable[[Any], str | None]:
    """A service that refuses a stage; of a stage that works on shards, the second one."""

    def refuse(request: Any) -> str | None:
        if request.DESCRIPTOR.name != REQUESTS.get(stage):
            return None
        shard = getattr(request, "pool", None) or getattr(request, "caption_set", None)
        is_first = shard is not None and shard.path.endswith("/0")
        return None if is_first else f"the {stage} does not fit"

    return refuse


@pytest.mark.parametrize("stage", [*STAGES, *JOBS])
def test_a_failure_in_each_stage_is_told_with_shard_reason_and_how_to_go_on(
    stage: Stage, recorder, tmp_path: Path, quiet: None, done_jobs
) -> None:
    recorder.refuse = refusing(stage)
    done_jobs(stage)
    steps = Steps(recorder.address, file_uri(tmp_path / "store"))
    with pytest.raises(SystemExit):
        steps.run()
    outcome = steps.end()
    shards = 3 if stage in ("curate", "generate", "score") else 1
    assert outcome.state == "failed"
    assert outcome.failure is not None
    assert (outcome.failure.stage, outcome.failure.shards) == (stage, shards)
    assert outcome.failure.shard == (1 if shards > 1 else 0)
    assert outcome.failure.reason == f"the {stage} does not fit"
    assert outcome.resume == RESUME
    done = [one.stage for one in outcome.stages if one.shards and one.finished == one.shards]
    assert done == [name for name in (*STAGES, *JOBS) if name not in blocked(stage)]
    kept = tmp_path / "store" / "reports" / "a-run"
    assert Outcome.model_validate_json((kept / "outcome.json").read_bytes()) == outcome
    page = (kept / "report.html").read_text()
    for told in (stage, f"the {stage} does not fit", RESUME):
        assert told in page
    assert ("2 of 3" in page) == (shards > 1)


def test_a_report_that_cannot_be_made_does_not_make_the_run_look_failed(
    recorder, tmp_path: Path, quiet: None, done_jobs
) -> None:
    done_jobs("")
    named = {"assemble_request": '{"name": "demo"}'}
    steps = Steps(recorder.address, file_uri(tmp_path / "store"), **named)
    steps.run()
    outcome = steps.end(told="")  # the shards of this run are in no store
    assert outcome.state == "succeeded"
    assert outcome.failure is None
    assert outcome.version is not None
    assert len(outcome.pool) == 3
    assert "datasets/demo" in outcome.problem
    page = (tmp_path / "store" / outcome.report).read_text()
    assert "This page shows less than it could: " in page
    assert "datasets/demo" in page


def blocked(stage: str) -> Sequence[str]:
    """The stages that are not finished on every shard when one fails."""
    order = (*STAGES, *JOBS)
    looped = ("curate", "generate", "score")
    return order[1 if stage in looped else order.index(stage) :]


def record(stage: str, state: State, shard: int = 0, shards: int = 1, **more: Any) -> StageRecord:
    now = datetime.now(UTC).timestamp()
    fields: dict[str, Any] = {"began": now, "at": now, "attempt": "", "made_of": "", **more}
    return StageRecord(StageEvent(stage, state, shard, shards), **fields)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(file_uri(tmp_path), "a-run")


def ended(folder: RunFolder, told: str = "") -> Outcome:
    return end_run(folder, EndedRun.of(StageRequests().arguments(), attempt="", told=told))


def test_a_step_that_died_without_a_word_is_told_by_what_had_begun(folder: RunFolder) -> None:
    folder.leave(record("import", State.FINISHED))
    folder.leave(record("curate", State.FINISHED, 0, 2))
    folder.leave(record("curate", State.STARTED, 1, 2))
    failure = ended(folder, "FAILED: the pod was evicted").failure
    assert failure == Failure(
        stage="curate",
        shard=1,
        shards=2,
        code="ENDED_SILENTLY",
        reason="its step had begun and ended without a word: it was killed "
        "(FAILED: the pod was evicted)",
    )


def test_a_run_that_failed_has_a_bill_of_what_it_made(folder: RunFolder) -> None:
    folder.leave(record("import", State.FINISHED))
    folder.leave(record("generate", State.FAILED))
    work_for("a-run")
    for seconds in (3600.0, 1800.0):  # two attempts
        with attempted(folder.store, "images", "images/1") as count:
            used_device(seconds)
            count.made = 20
    work_for("")
    prices = Prices.of({"currency": "EUR", "gpu_hour": {"generate": 2.0}})
    run = replace(EndedRun.of(StageRequests().arguments(), attempt=""), prices=prices)
    outcome = end_run(folder, run)
    assert outcome.device_use == [
        DeviceUse(stage="generate", made=40, seconds=5400.0, compute=3.0),
    ]
    page = folder.store.read(outcome.report).decode()
    for told in ("compute, EUR", "<td>40</td><td>1 h 30 min</td><td>3.00</td>"):
        assert told in page
    assert outcome.problem == ""
    (entry, _) = folder.store.list("usage/a-run")
    folder.store.write(entry, b"{")
    outcome = end_run(folder, run)
    assert outcome.device_use == []
    assert f"{entry} in" in outcome.problem


def test_a_run_of_which_no_step_began_says_so(folder: RunFolder) -> None:
    outcome = ended(folder, "FAILED: no node")
    assert outcome.failure is not None
    assert (outcome.failure.stage, outcome.failure.code) == ("import", "NEVER_BEGAN")
    assert "no step has told why (FAILED: no node)" in outcome.failure.reason
    assert "start the pipeline dataset-run again with the same arguments" in outcome.resume
    assert "run_name=a-run" in outcome.resume


def test_a_run_with_nothing_left_says_why(folder: RunFolder) -> None:
    folder.leave(record("import", State.FINISHED))
    kept: dict[str, Any] = {"read": "4", "dropped": [{"rule": "words_num_filter", "records": "4"}]}
    event = StageEvent("curate", State.FINISHED, result=kept)
    folder.leave(StageRecord(event, 1.0, 2.0, "", ""))
    folder.leave(record("generate", State.FAILED))
    failure = ended(folder).failure
    assert failure is not None
    assert failure.reason.startswith("nothing is left after curation: all of 4 captions")


def test_a_step_from_kfp_s_cache_counts_by_an_earlier_attempt_s_record(
    recorder, tmp_path: Path, quiet: None, done_jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    done_jobs("evaluate")
    steps = Steps(recorder.address, file_uri(tmp_path / "store"))
    monkeypatch.setenv(RUN_ID_VARIABLE, "first")
    with pytest.raises(SystemExit):
        steps.run()
    # Another execution, of which KFP has taken every step but the last from its cache.
    outcome = steps.end(attempt="second")
    assert [one.stage for one in outcome.stages if one.finished] == [*STAGES, "train"]
    assert outcome.failure is not None
    assert (outcome.failure.stage, outcome.failure.code) == ("evaluate", "NEVER_BEGAN")
    # With another recipe, nothing of that can have come from the cache but the import.
    changed = Steps(recorder.address, file_uri(tmp_path / "store"), curate_request='{"a": 1}')
    outcome = changed.end(attempt="second")
    assert [one.stage for one in outcome.stages if one.finished] == ["import"]


def test_an_unreadable_record_is_another_version_s(folder: RunFolder) -> None:
    folder.leave(record("import", State.FINISHED))
    for number, content in enumerate((b"{", b"{}", json.dumps({"stage": "x"}).encode())):
        folder.store.write(f"{folder.path}/stages/other-{number}.json", content)
    assert [one.event.stage for one in folder.records()] == ["import"]
    folder.leave(record("a-stage-of-another-version", State.FAILED))
    assert [one.stage for one in ended(folder).stages if one.finished] == ["import"]


@pytest.mark.parametrize("name", ["", "A run", "../x", "-a", "a" * 101])
def test_a_run_s_name_cannot_leave_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a valid name of a run"):
        RunFolder(file_uri(tmp_path), name)
