"""Jobs of Trainer on a real API server: with the rights that the chart gives, and by its rules.

The tests do what Trainer, Kueue and a kubelet do; none of them is there.
"""

import base64
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synthvlm.cluster.api import Api
from synthvlm.cluster.train_job import FORMS, delete_run, run_train_job
from synthvlm.cluster.trainer_job import TrainerJob
from synthvlm.errors import AlreadyExists, InvalidInput, OperationCancelled, PermissionDenied
from synthvlm.jobs.events import JobEvent, State
from synthvlm.jobs.launch import JobFailed
from tests.charts.objects import of_kind
from tests.charts.rendering import render
from tests.cluster.trainer_jobs import (
    FINISHED,
    POD,
    condition,
    ended,
    event,
    finished,
    pod,
    settings,
    stamped,
    trainer_job,
)
from tests.rig.api import MERGE, STRATEGIC, ApiError
from tests.rig.cluster import Cluster
from tests.rig.kubelet import NODE, Kubelet, kubelet
from tests.rig.nodes import now
from tests.rig.processes import poll

KINDS = tuple(FORMS)
SERVED = {
    "TrainJob": "trainer.kubeflow.org/v1alpha1/ClusterTrainingRuntime",
    "PyTorchJob": "kubeflow.org/v1/PyTorchJob",
}
COMPLETE = {"TrainJob": "Complete", "PyTorchJob": "Succeeded"}
PODS = "/api/v1/namespaces/images/pods"


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Iterator[Kubelet]:
    """A node with logs, and the namespace of the jobs."""
    cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": "images"}})
    accounts = "/api/v1/namespaces/images/serviceaccounts"
    cluster.api("POST", accounts, {"metadata": {"name": "pipeline-runner"}})
    for name in ("default", "pipeline-runner"):
        poll(name, functools.partial(_has_token, cluster, f"{accounts}/{name}"))
    with kubelet(cluster) as served:
        yield served


def _has_token(cluster: Cluster, account: str) -> bool:
    try:
        return bool(cluster.api("GET", account).get("secrets"))
    except ApiError as error:
        if error.status != 404:
            raise
        return False


@dataclass
class Controllers:
    """What Trainer, Kueue and the kubelet do to a job."""

    cluster: Cluster
    node: Kubelet
    kind: str

    def job(self, **given: Any) -> TrainerJob:
        return trainer_job(self.kind, poll_seconds=0.05, **given)

    @property
    def objects(self) -> str:
        form = FORMS[self.kind]
        return f"/apis/{form.group_version}/namespaces/images/{form.plural}"

    def found(self, job: TrainerJob) -> dict[str, Any]:
        return dict(self.cluster.api("GET", f"{self.objects}/{job.name}"))

    def says(self, job: TrainerJob, *conditions: dict[str, Any]) -> None:
        # As the API server of that age takes an empty text for none.
        whole = {"lastTransitionTime": now()}
        stamped_ = [{**one, **whole, "message": one["message"] or "so"} for one in conditions]
        path = f"{self.objects}/{job.name}/status"
        self.cluster.api("PATCH", path, {"status": {"conditions": stamped_}}, MERGE)

    def make_pod(self, job: TrainerJob) -> None:
        made = pod(self.kind, job.name)
        owner = {
            "apiVersion": FORMS[self.kind].group_version,
            "kind": self.kind,
            "name": job.name,
            "uid": self.found(job)["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        made["metadata"]["ownerReferences"] = [owner]
        made["spec"]["nodeName"] = NODE
        status = made.pop("status")
        self.cluster.api("POST", PODS, made)
        self.report(job, **status)

    def report(self, job: TrainerJob, **status: Any) -> None:
        self.cluster.api("PATCH", f"{PODS}/{self.pod(job)}/status", {"status": status}, STRATEGIC)

    def pod(self, job: TrainerJob) -> str:
        return f"{job.name}-node-0-0-first"

    def writes(self, job: TrainerJob, *lines: str, second: int = 0) -> None:
        self.node.logs[self.pod(job)] += stamped(*lines, second=second)

    def completes(self, job: TrainerJob, *lines: str) -> None:
        self.writes(job, *lines, second=9)
        self.report(job, **ended(self.kind, 0))
        self.says(job, condition(COMPLETE[self.kind]))

    def remove_pod(self, job: TrainerJob) -> None:
        """What a kubelet does once the containers of a pod that is being deleted are gone."""
        path = f"{PODS}/{self.pod(job)}"
        poll("deletion", lambda: "deletionTimestamp" in self.cluster.api("GET", path)["metadata"])
        self.cluster.api("DELETE", path, {"gracePeriodSeconds": 0})

    def is_gone(self, job: TrainerJob) -> bool:
        try:
            self.found(job)
        except ApiError as error:
            return error.status == 404
        return False


@pytest.fixture(params=KINDS)
def controllers(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    node: Kubelet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Controllers]:
    """Trainer of one version; the environment has the identity of a step, with the chart's Role."""
    kind = request.param
    training = {"training": {"enabled": True, "kind": kind}}
    rights = of_kind(render(training, apis=(SERVED[kind],)), "Role", "RoleBinding")
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/images"
    for one in rights:
        cluster.api("POST", f"{path}/{one['kind'].lower()}s", one)
    _identify_as_step(cluster, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    made = Controllers(cluster, node, kind)
    yield made
    for one in rights:
        cluster.api("DELETE", f"{path}/{one['kind'].lower()}s/{one['metadata']['name']}")
    cluster.api("DELETE", made.objects)
    cluster.api("DELETE", PODS, {"gracePeriodSeconds": 0})
    poll("an empty namespace", lambda: not cluster.api("GET", made.objects)["items"])
    node.logs.clear()


def _identify_as_step(cluster: Cluster, folder: Path) -> None:
    account = "/api/v1/namespaces/images/serviceaccounts/pipeline-runner"
    (secret,) = cluster.api("GET", account)["secrets"]
    data = cluster.api("GET", f"/api/v1/namespaces/images/secrets/{secret['name']}")["data"]
    (folder / "token").write_bytes(base64.b64decode(data["token"]))
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"tokenFile": str(folder / "token")}
    (folder / "kubeconfig").write_text(json.dumps(config))


def test_a_job_is_created_followed_adopted_and_deleted(controllers: Controllers) -> None:
    job = controllers.job(queue="synthvlm-batch", shape={"nodes": 2, "processes_per_node": 8})
    log: list[str] = []
    running = run_train_job(job, log.append)
    assert next(running).reason == f"the {job.settings.kind} {job.name} has no pods yet"
    made = controllers.found(job)
    sent = FORMS[job.settings.kind].manifest(job)
    assert made["spec"] == sent["spec"]  # the server knows every field of it
    assert made["metadata"]["labels"] == sent["metadata"]["labels"]

    controllers.says(job, condition("Suspended"))
    assert "waits in the queue synthvlm-batch" in next(running).reason
    controllers.says(job, condition("Suspended", holds=False))
    controllers.make_pod(job)
    controllers.writes(job, "a library speaks", event(State.RUNNING, done=1, total=4))
    assert next(running) == JobEvent(State.RUNNING, done=1, total=4)
    assert log == ["a library speaks"]

    # A step that is killed leaves it at work; the next one adopts it, and reads all of its log.
    second = run_train_job(job, log.append)
    assert next(second) == JobEvent(State.RUNNING, done=1, total=4)
    assert controllers.found(job)["metadata"]["uid"] == made["metadata"]["uid"]
    other = controllers.job(shape={"image": "other:1"})
    with pytest.raises(AlreadyExists, match="at work on the same request with other settings"):
        next(run_train_job(other, log.append))

    controllers.completes(job, event(State.RUNNING, done=4, total=4), finished())
    for one in (running, second):
        assert next(one) == JobEvent(State.RUNNING, done=4, total=4)
        assert next(one) == FINISHED
        with pytest.raises(StopIteration) as end:
            next(one)
        assert end.value.value == FINISHED

    assert delete_run(job.settings, "demo") == [job.name]
    poll("the end of the job", lambda: controllers.is_gone(job))
    assert controllers.cluster.api("GET", PODS)["items"] == []
    assert delete_run(job.settings, "demo") == []


def test_one_that_failed_is_made_again_once_its_pods_are_gone(controllers: Controllers) -> None:
    job = controllers.job()
    running = run_train_job(job, lambda _: None)
    next(running)
    first = controllers.found(job)["metadata"]["uid"]
    controllers.make_pod(job)
    controllers.writes(job, "MemoryError")
    controllers.report(job, **ended(controllers.kind, 137, "OOMKilled"))
    controllers.says(job, condition("Failed", reason="FailedJobs", message="no restart is left"))
    told = rf"FailedJobs: no restart is left; the pod .* on {NODE} ended with status 137 \(OOMK"
    with pytest.raises(JobFailed, match=told):
        next(running)

    controllers.cluster.api("DELETE", f"{PODS}/{controllers.pod(job)}", {"gracePeriodSeconds": 0})
    again = run_train_job(job, lambda _: None)
    assert "has no pods yet" in next(again).reason
    assert controllers.found(job)["metadata"]["uid"] != first
    again.close()  # a step that is told to end takes it away
    poll("the end of the job", lambda: controllers.is_gone(job))


def test_a_job_at_work_is_deleted_with_its_pods(controllers: Controllers) -> None:
    job = controllers.job()
    running = run_train_job(job, lambda _: None)
    next(running)
    controllers.make_pod(job)
    assert delete_run(job.settings, "another") == []
    assert delete_run(job.settings, "demo") == [job.name]
    with pytest.raises(OperationCancelled, match="was deleted"):
        next(running)
    # Its name is free once its pods have stored what they have done.
    assert not controllers.is_gone(job)
    controllers.remove_pod(job)
    poll("the end of the job", lambda: controllers.is_gone(job))


def test_a_misspelt_field_is_refused_here_which_the_server_would_drop(
    controllers: Controllers,
) -> None:
    given = POD if controllers.kind == "PyTorchJob" else {}
    misspelt = controllers.job(shape={"pod": {**given, "nodeSelektor": {"pool": "gpu"}}})
    with pytest.raises(InvalidInput, match="nodeSelektor: there is no such field"):
        next(run_train_job(misspelt, lambda _: None))
    assert controllers.cluster.api("GET", controllers.objects)["items"] == []
    sent = FORMS[controllers.kind].manifest(controllers.job())
    sent["spec"]["suspendd"] = True
    made = controllers.cluster.api("POST", controllers.objects, sent)
    assert "suspendd" not in made["spec"]


def test_steps_may_do_nothing_else(controllers: Controllers) -> None:
    api = Api(patience_seconds=0)
    for path in (
        "/api/v1/namespaces/images/secrets",
        "/api/v1/namespaces/images/configmaps",
        "/api/v1/namespaces/default/pods",
        controllers.objects.replace("images", "default"),
    ):
        with pytest.raises(PermissionDenied, match=r"pipelines\.serviceAccount"):
            api.get(path)
    with pytest.raises(PermissionDenied):
        api.delete(f"{PODS}/any")
    with pytest.raises(PermissionDenied):
        api.create(PODS, pod(controllers.kind, "any"))


def test_a_token_that_was_replaced_is_read_again(controllers: Controllers) -> None:
    job = controllers.job()
    file = Path(os.environ["KUBECONFIG"]).with_name("token")
    token = file.read_text()
    file.write_text("an old one")
    api = Api(patience_seconds=30)
    file.write_text(token)
    assert api.get(f"{controllers.objects}/{job.name}") is None
    assert delete_run(settings(controllers.kind), "nobody") == []
