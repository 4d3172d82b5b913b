"""A job at Trainer from its creation to its end, and everything that may come between."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from synthvlm.cluster.train_job import FORMS, cancelled_by_sigterm, delete_run, run_train_job
from synthvlm.cluster.trainer_job import TrainerJob
from synthvlm.errors import (
    AlreadyExists,
    InvalidInput,
    OperationCancelled,
    PermissionDenied,
    PreconditionFailed,
    Unauthenticated,
    Unavailable,
)
from synthvlm.jobs.events import JobEvent, State
from synthvlm.jobs.launch import JobFailed
from tests.cluster.api_server import ApiServer
from tests.cluster.trainer_jobs import (
    FINISHED,
    condition,
    ended,
    event,
    finished,
    pod,
    settings,
    stamped,
    trainer_job,
)

pytestmark = pytest.mark.timeout(120)

KINDS = tuple(FORMS)
COMPLETE = {"TrainJob": "Complete", "PyTorchJob": "Succeeded"}


def path(job: TrainerJob) -> str:
    form = FORMS[job.settings.kind]
    return f"/apis/{form.group_version}/namespaces/images/{form.plural}/{job.name}"


class Controller:
    """What Trainer, Kueue and the nodes do to a job."""

    def __init__(self, api: ApiServer, job: TrainerJob) -> None:
        self.api = api
        self.job = job
        self.kind = job.settings.kind

    def says(self, *conditions: Any) -> None:
        self.api.objects[path(self.job)]["status"] = {"conditions": list(conditions)}

    def has_pod(self, number: int = 0, uid: str = "", **status: Any) -> None:
        made = pod(self.kind, self.job.name, number, uid, **status)
        name = made["metadata"]["name"]
        self.api.put(f"/api/v1/namespaces/images/pods/{name}", made)
        self.api.logs.setdefault(name, [])

    def writes(self, *lines: str, uid: str = "", second: int = 0) -> None:
        self.api.logs[f"{self.job.name}-node-0-0-{uid or 'first'}"] += stamped(
            *lines, second=second
        )

    def completes(self, *lines: str, uid: str = "") -> None:
        self.has_pod(uid=uid, **ended(self.kind, 0))
        self.writes(*lines, uid=uid, second=9)
        self.says(condition(COMPLETE[self.kind]))


def followed(
    job: TrainerJob, log: list[str] | None = None
) -> tuple[list[JobEvent], JobEvent | None]:
    """The events of a job, and the last one that it returns."""
    lines: list[str] = [] if log is None else log
    running = run_train_job(job, lines.append)
    events: list[JobEvent] = []
    while True:
        try:
            events.append(next(running))
        except StopIteration as end:
            return events, end.value


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_created_and_followed_to_its_end(api: ApiServer, kind: str) -> None:
    job = trainer_job(kind, queue="synthvlm-batch")
    cluster = Controller(api, job)
    log: list[str] = []
    api.looks += [
        lambda: cluster.says(condition("Suspended")),
        lambda: None,
        lambda: cluster.says(condition("Suspended", holds=False)),
        cluster.has_pod,
        lambda: cluster.writes("a library speaks", event(State.RUNNING, done=1, total=4)),
        lambda: cluster.writes(
            event(State.RUNNING, done=2, total=4), event(State.RUNNING, done=3, total=4), second=1
        ),
        lambda: None,
        lambda: cluster.completes(finished()),
    ]
    events, last = followed(job, log)
    assert last == FINISHED
    # Of progress, the newest at each look; each reason to wait once.
    assert [(one.state, one.done, one.reason) for one in events] == [
        (State.WAITING, 0, f"the {kind} {job.name} is suspended; it waits in the queue "
         "synthvlm-batch"),
        (State.WAITING, 0, f"the {kind} {job.name} has no pods yet"),
        (State.RUNNING, 1, ""),
        (State.RUNNING, 3, ""),
        (State.FINISHED, 0, ""),
    ]  # fmt: skip
    assert log == ["a library speaks"]
    (created,) = api.made("POST")
    assert created.body == FORMS[kind].manifest(job)
    assert api.made("DELETE") == []  # the run's last step does that


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_in_the_settings_is_never_sent(api: ApiServer, kind: str) -> None:
    given = settings(kind).training.pod
    with pytest.raises(InvalidInput, match="nodeSelektor"):
        followed(trainer_job(kind, shape={"pod": {**given, "nodeSelektor": {}}}))
    assert api.calls == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_at_work_is_adopted(api: ApiServer, kind: str) -> None:
    job = trainer_job(kind)
    cluster = Controller(api, job)
    api.put(path(job), FORMS[kind].manifest(job))
    api.objects[path(job)]["spec"]["suspend"] = False  # what others add is not asked for by us
    api.looks += [lambda: None, lambda: cluster.completes(finished())]
    assert followed(job)[1] == FINISHED
    assert len(api.made("POST")) == 1
    assert api.made("DELETE") == []


def test_one_that_is_complete_is_adopted_and_read(api: ApiServer) -> None:
    job = trainer_job()
    api.put(path(job), FORMS["TrainJob"].manifest(job))
    Controller(api, job).completes(event(State.RUNNING, done=4), finished())
    assert followed(job)[1] == FINISHED


def test_one_that_failed_is_made_again(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    api.put(path(job), FORMS["TrainJob"].manifest(job))
    cluster.says(condition("Failed"))
    api.looks += [lambda: None, lambda: cluster.completes(finished())]
    assert followed(job)[1] == FINISHED
    assert [call.method for call in api.calls if "/pods" not in call.path] == [
        "POST", "GET", "DELETE", "POST", "GET",
    ]  # fmt: skip
    assert api.made("DELETE")[0].query == {"propagationPolicy": "Foreground"}


def test_one_at_work_with_other_settings_is_left_alone(api: ApiServer) -> None:
    job = trainer_job()
    other = trainer_job(shape={"image": "other:1"})
    api.put(path(job), FORMS["TrainJob"].manifest(other))
    with pytest.raises(
        AlreadyExists, match=f"kubectl --namespace images delete trainjobs {job.name}"
    ):
        followed(job)
    assert path(job) in api.objects
    cluster = Controller(api, job)
    cluster.says(condition("Failed"))  # then it is in nobody's way
    api.looks += [lambda: None, lambda: cluster.completes(finished())]
    assert followed(job)[1] == FINISHED


def test_one_that_no_run_made_is_left_alone(api: ApiServer) -> None:
    job = trainer_job()
    api.put(path(job), {"metadata": {"name": job.name}, "spec": {}})
    with pytest.raises(AlreadyExists, match="was not made by a run"):
        followed(job)
    assert path(job) in api.objects


def test_one_that_is_being_deleted_is_waited_for(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    api.put(path(job), FORMS["TrainJob"].manifest(job))
    api.objects[path(job)]["metadata"]["deletionTimestamp"] = "2026-01-01"
    api.looks += [
        lambda: None,
        api.objects.clear,
        lambda: cluster.completes(finished()),
    ]
    assert followed(job)[1] == FINISHED


def test_a_failure_names_reason_and_pod(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    log: list[str] = []
    api.looks += [
        cluster.has_pod,
        lambda: cluster.writes("Traceback", "MemoryError"),
        lambda: cluster.has_pod(**ended("TrainJob", 137, "OOMKilled")),
        lambda: cluster.says(condition("Failed", reason="FailedJobs", message="all is lost")),
    ]
    loss = f"the pod {job.name}-node-0-0-first on gpu-0 ended with status 137 (OOMKilled)"
    with pytest.raises(JobFailed) as failed:
        followed(job, log)
    assert failed.value.message == (
        f"the training failed: the TrainJob {job.name}: FailedJobs: all is lost; {loss}; "
        f"the end of its output: Traceback\nMemoryError"
    )
    assert log == ["Traceback", "MemoryError", loss]


def test_a_failure_that_the_job_tells_of_is_told_as_it_is(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    word = event(State.FAILED, code="DATA_LOSS", reason="a file is damaged")
    api.looks += [
        cluster.has_pod,
        lambda: cluster.writes(word),
        lambda: cluster.says(condition("Failed")),
    ]
    with pytest.raises(JobFailed, match="the training failed: a file is damaged") as failed:
        followed(job)
    assert failed.value.metadata == {"code": "DATA_LOSS"}


def test_what_another_attempt_would_repeat_ends_it_at_once(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    word = event(State.FAILED, code="INVALID_ARGUMENT", reason="there is no such mixture")
    api.looks += [cluster.has_pod, lambda: cluster.writes(word)]
    with pytest.raises(JobFailed, match="there is no such mixture"):
        followed(job)
    assert path(job) not in api.objects


def test_a_pod_that_is_taken_away_is_told_and_its_successor_followed(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    log: list[str] = []
    gone = condition("DisruptionTarget", reason="PreemptionByScheduler", message="spot is over")

    def evicted() -> None:
        cluster.writes(event(State.STOPPED, reason="stored a checkpoint"), second=1)
        cluster.has_pod(**{**ended("TrainJob", 143), "conditions": [gone]})
        cluster.has_pod(uid="second")

    api.looks += [
        cluster.has_pod,
        lambda: cluster.writes(event(State.RUNNING, done=5)),
        evicted,
        lambda: cluster.writes(event(State.RUNNING, done=6, resumed=5), uid="second"),
        lambda: cluster.completes(finished(), uid="second"),
    ]
    events, last = followed(job, log)
    assert [one.state for one in events if one.state is not State.WAITING] == [
        State.RUNNING, State.STOPPED, State.RUNNING, State.FINISHED,
    ]  # fmt: skip
    assert last == FINISHED
    name = f"{job.name}-node-0-0-first"
    assert log == [
        f"the pod {name} on gpu-0 was taken away: PreemptionByScheduler: spot is over",
        f"the pod {name} on gpu-0 ended with status 143",
    ]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
            "cannot be scheduled: 0/3 nodes",
        ),
        (
            {"containerStatuses": [
                {"name": "node", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
            ]},
            "is not started: ImagePullBackOff",
        ),
        (
            {"initContainerStatuses": [
                {"name": "download", "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ], "containerStatuses": []},
            "is not started: CrashLoopBackOff",
        ),
    ],
)  # fmt: skip
def test_what_keeps_pods_from_starting_is_told(
    api: ApiServer, status: dict[str, Any], told: str
) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    api.looks += [
        lambda: cluster.has_pod(phase="Pending", **status),
        lambda: cluster.completes(finished()),
    ]
    events, _ = followed(job)
    (waiting,) = (one for one in events if one.state is State.WAITING)
    assert waiting.reason == f"the pod {job.name}-node-0-0-first {told}"


def test_a_result_whose_log_is_gone_is_asked_for_once_more(api: ApiServer) -> None:
    job = trainer_job()
    cluster = Controller(api, job)
    api.looks += [
        lambda: cluster.says(condition("Complete")),
        lambda: cluster.completes(finished()),
    ]
    assert followed(job)[1] == FINISHED
    assert len(api.made("POST")) == 2
    api.objects.clear()
    api.looks += [lambda: cluster.says(condition("Complete"))] * 2
    with pytest.raises(JobFailed, match="its log, which tells of the result, cannot be read"):
        followed(job)


def test_hiccups_of_the_api_are_survived(api: ApiServer, tmp_path: Path) -> None:
    job = trainer_job()
    cluster = Controller(api, job)

    def rotated() -> None:
        api.token = "second"
        (tmp_path / "token").write_text("second")

    # The answer to the creation is lost, so that the second attempt finds it created.
    api.faults += ["lost", 503]
    api.looks += [
        cluster.has_pod,
        lambda: api.faults.extend([200 + 300, 429, "lost", 410]),
        rotated,
        lambda: cluster.writes(event(State.RUNNING, done=1)),
        lambda: cluster.completes(finished()),
    ]
    events, last = followed(job)
    assert last == FINISHED
    assert State.RUNNING in [one.state for one in events]
    assert len(api.made("POST")) == 3


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (403, PermissionDenied, "lacks a right, which the chart gives"),
        (404, PreconditionFailed, "check that Kubeflow Trainer is installed"),
        (422, InvalidInput, "refuses this: POST .*422: not now"),
        (405, PreconditionFailed, "405: not now"),
    ],
)
def test_what_will_not_pass_is_told_at_once(
    api: ApiServer, status: int, error: type[Exception], told: str
) -> None:
    api.faults.append(status)
    with pytest.raises(error, match=told):
        followed(trainer_job())
    assert len(api.calls) == 1


def test_patience_ends(api: ApiServer) -> None:
    job = trainer_job(patience_seconds=0.3)
    api.faults += [503] * 100
    with pytest.raises(Unavailable, match=r"cannot answer: .*503"):
        followed(job)
    api.faults.clear()
    api.token = "unknown"
    with pytest.raises(Unauthenticated, match="401"):
        followed(job)


def test_a_cluster_that_cannot_be_reached(api: ApiServer, tmp_path: Path, monkeypatch) -> None:
    file = Path(os.environ["KUBECONFIG"])
    file.write_text(file.read_text().replace(api.url, "http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="cannot be reached"):
        followed(trainer_job(patience_seconds=0))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(PreconditionFailed, match="no credentials"):
        followed(trainer_job())


def test_a_caller_that_stops_listening_ends_it(api: ApiServer) -> None:
    job = trainer_job()
    running = run_train_job(job, lambda _: None)
    assert next(running).state is State.WAITING
    running.close()
    assert path(job) not in api.objects


def test_sigterm_ends_it(api: ApiServer) -> None:
    job = trainer_job(poll_seconds=60)
    api.looks += [lambda: threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()]
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OperationCancelled, match="told to end"), cancelled_by_sigterm():
        followed(job)
    assert signal.getsignal(signal.SIGTERM) is before
    assert path(job) not in api.objects


def test_one_that_somebody_deletes_is_cancelled(api: ApiServer) -> None:
    job = trainer_job()
    api.looks += [lambda: None, api.objects.clear]
    with pytest.raises(OperationCancelled, match="was deleted; the same request goes on"):
        followed(job)


@pytest.mark.parametrize("kind", KINDS)
def test_the_jobs_of_a_run_are_deleted(api: ApiServer, kind: str) -> None:
    own = [trainer_job(kind), trainer_job(kind, request={"other": 1})]
    other = trainer_job(kind, run="demo-2")
    for job in (*own, other):
        api.put(path(job), FORMS[kind].manifest(job))
    assert delete_run(settings(kind), "demo") == [job.name for job in own]
    assert list(api.objects) == [path(other)]
    assert delete_run(settings(kind), "demo") == []
    for call in api.made("DELETE"):
        assert call.query == {"propagationPolicy": "Foreground"}
