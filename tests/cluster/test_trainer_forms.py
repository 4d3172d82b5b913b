"""Jobs as both versions of Trainer take them, and that a mistake is seen before it is sent."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.cluster.train_job import FORMS
from synthvlm.cluster.trainer_job import Phase, label_value
from synthvlm.cluster.trainer_settings import trainer_settings
from synthvlm.errors import InvalidInput
from synthvlm.jobs.asked import REQUEST_VARIABLE
from tests.charts.conformance import problem
from tests.cluster.trainer_jobs import COMMAND, FULL, POD, REQUEST, condition, settings, trainer_job

QUEUED: dict[str, Any] = {
    "queue": "synthvlm-batch",
    "priority": "research",
    "deadline_seconds": 86400,
    "grace_seconds": 300,
}
SPOT = {"tolerations": [{"key": "spot", "operator": "Exists"}], "nodeSelector": {"pool": "spot"}}


def manifest(kind: str, **given: Any) -> dict[str, Any]:
    return FORMS[kind].manifest(trainer_job(kind, **given))


def container(kind: str, made: dict[str, Any]) -> dict[str, Any]:
    """The part of the object that says what is run."""
    if kind == "TrainJob":
        part: dict[str, Any] = made["spec"]["trainer"]
        return part
    master = made["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]
    return next(one for one in master["containers"] if one["name"] == "pytorch")


def patched(made: dict[str, Any]) -> dict[str, Any]:
    """The pod of the one replicated job that a TrainJob's only patch is for."""
    (patch,) = made["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["name"] == "node"
    pod: dict[str, Any] = job["template"]["spec"]["template"]
    return pod


@pytest.mark.parametrize("kind", FORMS)
def test_it_is_what_the_api_s_own_schema_allows(kind: str) -> None:
    for options in ({}, {"shape": FULL, **QUEUED}):
        made = manifest(kind, **options)
        assert problem(made, "1.37") == ""
    made["spec"]["runPolicyy"] = {}
    assert "runPolicyy" in problem(made, "1.37")


@pytest.mark.parametrize("kind", FORMS)
def test_the_container_gets_the_request_as_it_is(kind: str) -> None:
    made = container(kind, manifest(kind, shape=FULL))
    variables = {one["name"]: one["value"] for one in made["env"]}
    value = variables.pop(REQUEST_VARIABLE)
    assert "$(HOME)" not in value.replace("$$", "")  # Kubernetes would put a variable's value there
    assert json.loads(value.replace("$$", "$")) == REQUEST
    assert variables["NCCL_DEBUG"] == "INFO"
    assert made["command"] == list(COMMAND)
    assert "args" not in made
    assert made["image"] == "synthvlm/training:2"


def test_a_train_job_says_what_differs_from_its_runtime() -> None:
    made = manifest("TrainJob")
    assert made["spec"]["runtimeRef"]["name"] == "synthvlm-node"
    assert set(made["spec"]["trainer"]) == {"command", "env"}
    made = manifest("TrainJob", shape={**FULL, "pod": SPOT}, **QUEUED)
    trainer = made["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (2, 8)
    assert trainer["resourcesPerNode"]["limits"] == {"nvidia.com/gpu": 8}
    assert made["spec"]["activeDeadlineSeconds"] == 86400
    assert patched(made)["spec"] == {**SPOT, "terminationGracePeriodSeconds": 300}
    assert patched(made)["metadata"]["labels"] == {"team": "a", "synthvlm.io/run": "demo"}


def test_a_failed_train_job_is_not_run_again_after_a_while() -> None:
    # A JobSet that is removed when its time is up is made again by Trainer.
    assert "ttl" not in json.dumps(manifest("TrainJob", **QUEUED)).lower()


def test_a_pytorch_job_is_made_of_whole_pods() -> None:
    made = manifest("PyTorchJob", shape=FULL, **QUEUED)["spec"]
    specs = made["pytorchReplicaSpecs"]
    assert {role: one["replicas"] for role, one in specs.items()} == {"Master": 1, "Worker": 1}
    assert made["nprocPerNode"] == "8"
    assert made["runPolicy"]["activeDeadlineSeconds"] == 86400
    pod = specs["Master"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 300
    assert "restartPolicy" not in pod  # it is the replicas', and says that lost pods are made again
    assert specs["Master"]["restartPolicy"] == "OnFailure"
    assert pod["volumes"] == POD["volumes"]
    assert pod["containers"][1] == {"name": "sidecar", "image": "sidecar:1"}
    own = pod["containers"][0]
    assert own["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert {"name": "HOME", "value": "/tmp"} in own["env"]
    (only,) = manifest("PyTorchJob")["spec"]["pytorchReplicaSpecs"]
    assert only == "Master"


@pytest.mark.parametrize("kind", FORMS)
def test_kueue_reads_its_queue_and_priority_from_labels(kind: str) -> None:
    labels = manifest(kind, **QUEUED)["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "synthvlm-batch"
    assert labels["kueue.x-k8s.io/priority-class"] == "research"
    assert labels["synthvlm.io/run"] == "demo"
    assert not [label for label in manifest(kind)["metadata"]["labels"] if "kueue" in label]
    # Kueue owns the field: one that is set here would start the job before its turn, or never.
    assert "suspend" not in json.dumps(manifest(kind, **QUEUED))


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"nodeSelektor": {}}, "nodeSelektor: there is no such field"),
    "misspelt in a list": (
        {"tolerations": [{"key": "spot", "operater": "Exists"}]},
        "tolerations.0.operater: there is no such field",
    ),
    "not a list": ({"tolerations": 5}, "a value has a wrong type"),
    "not an object": ({"tolerations": ["spot"]}, "this is not a valid"),
    "wrong type": ({"tolerations": [{"key": 1}]}, "string_type"),
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_before_anything_is_sent(kind: str, name: str) -> None:
    mistake, told = MISTAKES[name]
    pod = {**(POD if kind == "PyTorchJob" else {}), **mistake}
    with pytest.raises(InvalidInput, match=re.escape(told)):
        manifest(kind, shape={"pod": pod})


def test_what_a_patch_may_not_set_is_a_mistake_too() -> None:
    with pytest.raises(InvalidInput, match="priorityClassName: there is no such field"):
        manifest("TrainJob", shape={"pod": {"priorityClassName": "batch"}})


@pytest.mark.parametrize("kind", FORMS)
def test_the_name_tells_run_and_request_and_the_digest_all_of_it(kind: str) -> None:
    one, same = manifest(kind), manifest(kind)
    assert one == same
    assert re.fullmatch(r"training-demo-[0-9a-f]{8}", one["metadata"]["name"])
    other_settings = manifest(kind, shape={"image": "other:1"})
    assert other_settings["metadata"]["name"] == one["metadata"]["name"]
    assert other_settings["metadata"]["annotations"] != one["metadata"]["annotations"]
    for change in ({"run": "other"}, {"request": {**REQUEST, "profile": "7b"}}):
        assert manifest(kind, **change)["metadata"]["name"] != one["metadata"]["name"]


@given(run=st.text(min_size=1, max_size=200))
def test_any_run_gives_valid_names_and_labels(run: str) -> None:
    job = trainer_job(run=run)
    # JobSet and Trainer 1 add this to the name of a pod's host, which has 63 characters.
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", job.name)
    assert len(job.name) + len("-node-0-99-x1b2c") <= 63
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", label_value(run))


def test_a_request_that_no_process_could_be_given_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than 128 KiB"):
        trainer_job(request={"a": "ß" * 2**16})
    with pytest.raises(InvalidInput, match="needs the name of its run"):
        trainer_job(run="")


@pytest.mark.parametrize(
    ("kind", "conditions", "phase"),
    [
        ("TrainJob", [], Phase.RUNNING),
        ("TrainJob", [condition("Suspended")], Phase.WAITING),
        ("TrainJob", [condition("Suspended", holds=False)], Phase.RUNNING),
        ("TrainJob", [condition("Suspended", holds=False), condition("Complete")], Phase.COMPLETE),
        ("TrainJob", [condition("Failed")], Phase.FAILED),
        ("PyTorchJob", [condition("Created"), condition("Suspended")], Phase.WAITING),
        ("PyTorchJob", [condition("Created"), condition("Running")], Phase.RUNNING),
        ("PyTorchJob", [condition("Running"), condition("Restarting")], Phase.RUNNING),
        ("PyTorchJob", [condition("Running", holds=False), condition("Succeeded")], Phase.COMPLETE),
        ("PyTorchJob", [condition("Failed")], Phase.FAILED),
    ],
)
def test_the_conditions_say_where_it_stands(kind: str, conditions: Any, phase: Phase) -> None:
    found = {"spec": {}, "status": {"conditions": conditions}}
    assert FORMS[kind].status(found).phase is phase


def test_settings_come_from_the_environment_of_the_step() -> None:
    assert trainer_settings({}) is None
    given = settings(shape=FULL, queue="a", evaluation={"runtime": "synthvlm-single"})
    assert trainer_settings({"SYNTHVLM_TRAINER": given.model_dump_json()}) == given


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("{}", "namespace: Field required"),
        ('{"namespace": "a", "trainning": {}}', "trainning: Extra inputs"),
        ('{"namespace": "a", "training": {}}', "training.runtime: name a ClusterTrainingRuntime"),
        ('{"namespace": "a", "kind": "PyTorchJob", "training": {}}', "a container pytorch"),
        (
            '{"namespace": "a", "kind": "PyTorchJob", "training": {"runtime": "b"}}',
            "Trainer 1 has no runtimes",
        ),
    ],
)
def test_wrong_settings_are_named(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(told)):
        trainer_settings({"SYNTHVLM_TRAINER": text})
