"""The steps of the jobs where a cluster runs them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synthvlm import __version__
from synthvlm.errors import InvalidInput
from synthvlm.jobs.asked import REQUEST_VARIABLE
from synthvlm.jobs.events import JobEvent, State
from synthvlm.report.outcome import Outcome
from synthvlm.storage import file_uri
from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.components.train import train as train_step
from synthvlm_pipelines.jobs import evaluate, train
from synthvlm_pipelines.stage import Stage
from tests.cluster.api_server import ApiServer
from tests.cluster.conftest import api
from tests.cluster.trainer_jobs import DIGEST, condition, ended, event, pod, stamped

__all__ = ["api"]

VERSION = json.dumps({"store_uri": "s3://bucket", "path": "dataset/1", "digest": DIGEST})
MODEL = json.dumps({"path": "models/1", "digest": DIGEST})
JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/images/trainjobs"
SETTINGS: dict[str, Any] = {
    "namespace": "images",
    "poll_seconds": 0.01,
    "training": {"runtime": "synthvlm-node", "nodes": 1, "processes_per_node": 2},
    "evaluation": {"runtime": "synthvlm-node", "image": "synthvlm/evaluation:1"},
}


@pytest.fixture
def trainer(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """A cluster on which every job succeeds at once; the step's environment names it."""
    monkeypatch.setenv("SYNTHVLM_TRAINER", json.dumps(SETTINGS))

    def succeed() -> None:
        ((path, job),) = ((p, o) for p, o in api.objects.items() if p.startswith(JOBS))
        name = job["metadata"]["name"]
        made = pod("TrainJob", name, **ended("TrainJob", 0))
        values = {"path": "made/1", "digest": DIGEST, "records": 1}
        api.put(f"/api/v1/namespaces/images/pods/{made['metadata']['name']}", made)
        api.logs[made["metadata"]["name"]] = stamped(
            event(State.RUNNING, done=3, total=4), event(State.FINISHED, values=values)
        )
        api.objects[path]["status"] = {"conditions": [condition("Complete")]}

    api.looks += [lambda: None, succeed]
    return api


def asked(api: ApiServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The TrainJob that was created, and the request in it."""
    (call,) = api.made("POST")
    env = {one["name"]: one["value"] for one in call.body["spec"]["trainer"]["env"]}
    return call.body, json.loads(env[REQUEST_VARIABLE])


def test_a_training_is_run_by_trainer(trainer: ApiServer) -> None:
    events: list[JobEvent] = []
    result = train('{"store": "s3://models"}', VERSION, events.append, "demo")
    assert result == {"store": "s3://models", "path": "made/1", "digest": DIGEST, "records": 1}
    assert [(one.state, one.done) for one in events] == [(State.WAITING, 0), (State.RUNNING, 3)]
    job, request = asked(trainer)
    assert request["dataset"] == {"store": "s3://bucket", "path": "dataset/1", "digest": DIGEST}
    assert job["metadata"]["labels"]["synthvlm.io/run"] == "demo"
    assert job["spec"]["trainer"]["command"][-1] == "synthvlm.training"


def test_an_evaluation_is_run_by_trainer_as_one_process(trainer: ApiServer) -> None:
    result = evaluate('{"name": "a", "store": "s3://bucket"}', MODEL, lambda _: None, "demo")
    assert result["path"] == "made/1"
    job, request = asked(trainer)
    assert request["model"]["path"] == "models/1"
    assert job["metadata"]["labels"]["synthvlm.io/run"] == "demo"
    assert job["spec"]["trainer"]["image"] == "synthvlm/evaluation:1"
    assert (job["spec"]["trainer"]["numNodes"], job["spec"]["trainer"]["numProcPerNode"]) == (1, 1)


def test_batches_that_the_processes_cannot_share_are_refused_first(trainer: ApiServer) -> None:
    request = json.dumps({"store": "s3://b", "training": {"finetune": {"global_batch": 13}}})
    with pytest.raises(InvalidInput, match=r"training\.finetune\.global_batch is 13, which 2"):
        train(request, VERSION, lambda _: None, "demo")
    assert trainer.calls == []


def test_the_last_step_of_a_run_deletes_what_is_left_after_its_report(
    trainer: ApiServer, tmp_path: Path, capsys, monkeypatch
) -> None:
    store_uri = file_uri(tmp_path)
    # As the step of a pipeline does it: by the run's name, which its next execution has too.
    request = json.dumps({"store": store_uri})
    train_step.python_func(request, VERSION, __version__, "demo", store_uri)
    (path,) = (p for p in trainer.objects if p.startswith(JOBS))
    assert trainer.objects[path]["metadata"]["labels"]["synthvlm.io/run"] == "demo"
    assert ended_run("another", store_uri).state == "failed"
    assert path in trainer.objects
    ended_run("demo", store_uri)
    assert path not in trainer.objects
    assert f"the TrainJob {path.rpartition('/')[2]} was deleted" in capsys.readouterr().err
    monkeypatch.delenv("SYNTHVLM_TRAINER")
    calls = len(trainer.calls)
    ended_run("demo", store_uri)
    assert len(trainer.calls) == calls, "such a run has nothing at Trainer"


def test_a_cluster_that_refuses_takes_no_report_away(
    trainer: ApiServer, tmp_path: Path, capsys, monkeypatch
) -> None:
    store_uri = file_uri(tmp_path)
    trainer.faults.append(403)
    outcome = ended_run("demo", store_uri)
    assert (tmp_path / "reports" / "demo" / "report.html").exists()
    assert outcome.failure is not None
    told = capsys.readouterr().err
    assert "the run's jobs could not be deleted: " in told
    assert "delete those with the label synthvlm.io/run=demo" in told
    monkeypatch.setenv("SYNTHVLM_TRAINER", "{")
    ended_run("demo", store_uri)
    assert "SYNTHVLM_TRAINER is not JSON" in capsys.readouterr().err


def ended_run(name: str, store_uri: str) -> Outcome:
    """What the last step of a run makes, of which no step has told anything but the training."""
    status = SimpleNamespace(state="FAILED", error_message="")
    told = report.python_func("training-run", name, store_uri, status, train_request="{}")
    return Outcome.model_validate_json(told)


def test_what_a_job_waits_for_is_an_event_of_the_stage(capsys, monkeypatch) -> None:
    monkeypatch.delenv("SYNTHVLM_PROGRESS_FILE", raising=False)
    stage = Stage("train")
    stage.job_progress(JobEvent(State.RUNNING, done=3, total=4))
    stage.job_progress(JobEvent(State.WAITING, reason="no GPU is free"))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["state"], told["done"], told["reason"]) == ("running", 3, "no GPU is free")
