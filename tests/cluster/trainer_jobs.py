"""Jobs for Trainer, and what its controllers make of them."""

import json
from typing import Any

from synthvlm.cluster.trainer_job import TrainerJob
from synthvlm.cluster.trainer_settings import TrainerSettings
from synthvlm.jobs.events import JobEvent, State

DIGEST = "sha256:" + "0" * 64
REQUEST = {
    "dataset": {"store": "s3://bucket", "path": "dataset/1", "digest": DIGEST},
    "store": "s3://bucket",
    "profile": "mini",
    "training": {"mixture": "/data/$(HOME)/a$b.yaml"},
}
COMMAND = ("python3", "-m", "torch.distributed.run", "-m", "synthvlm.training")
POD = {
    "restartPolicy": "Never",
    "containers": [
        {
            "name": "pytorch",
            "image": "synthvlm/training:1",
            "args": ["--help"],
            "env": [{"name": "HOME", "value": "/tmp"}],
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        },
        {"name": "sidecar", "image": "sidecar:1"},
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}
SHAPES: dict[str, dict[str, Any]] = {
    "TrainJob": {"runtime": "synthvlm-node"},
    "PyTorchJob": {"pod": POD},
}
FULL: dict[str, Any] = {
    "image": "synthvlm/training:2",
    "nodes": 2,
    "processes_per_node": 8,
    "resources": {"requests": {"cpu": 8, "memory": "64Gi"}, "limits": {"nvidia.com/gpu": 8}},
    "env": {"NCCL_DEBUG": "INFO"},
    "labels": {"team": "a"},
}


def settings(kind: str = "TrainJob", shape: dict[str, Any] | None = None, **given: Any) -> Any:
    training = {**SHAPES[kind], **(shape or {})}
    defaults = {"poll_seconds": 0.01, "patience_seconds": 20}
    return TrainerSettings.model_validate(
        {"kind": kind, "namespace": "images", **defaults, **given, "training": training}
    )


def trainer_job(kind: str = "TrainJob", **given: Any) -> TrainerJob:
    own = {key: given.pop(key) for key in ("run", "request") if key in given}
    made = settings(kind, **given)
    return TrainerJob(
        work="training",
        **{"run": "demo", "request": REQUEST, **own},
        command=COMMAND,
        shape=made.training,
        settings=made,
    )


def event(state: State, **given: Any) -> str:
    """A line of stdout, as ``emit`` writes it."""
    return json.dumps({"event": "synthvlm.job", "state": state, **given})


def finished(path: str = "models/1") -> str:
    return event(State.FINISHED, values={"path": path, "digest": DIGEST})


FINISHED = JobEvent(State.FINISHED, values={"path": "models/1", "digest": DIGEST})


def stamped(*lines: str, second: int = 0) -> list[str]:
    """Lines of a log as the API gives them."""
    return [f"2026-01-01T00:00:{second:02}.{n:09}Z {line}" for n, line in enumerate(lines)]


def pod(kind: str, job: str, number: int = 0, uid: str = "", **status: Any) -> dict[str, Any]:
    """A pod as the controllers make it, running."""
    container = "node" if kind == "TrainJob" else "pytorch"
    labels = {
        "TrainJob": {
            "jobset.sigs.k8s.io/jobset-name": job,
            "batch.kubernetes.io/job-completion-index": str(number),
        },
        "PyTorchJob": {
            "training.kubeflow.org/job-name": job,
            "training.kubeflow.org/replica-type": "worker" if number else "master",
        },
    }[kind]
    name = f"{job}-node-0-{number}-{uid or 'first'}"
    running = {"name": container, "restartCount": 0, "state": {"running": {}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "images", "labels": labels},
        "spec": {"nodeName": "gpu-0", "containers": [{"name": container, "image": "x"}]},
        "status": {"phase": "Running", "containerStatuses": [running], **status},
    }


def ended(kind: str, code: int, reason: str = "Error") -> dict[str, Any]:
    """Status of a pod whose container ended."""
    container = "node" if kind == "TrainJob" else "pytorch"
    state = {"terminated": {"exitCode": code, "reason": reason}}
    one = {"name": container, "restartCount": 0, "state": state}
    return {"phase": "Failed" if code else "Succeeded", "containerStatuses": [one]}


def condition(kind: str, holds: bool = True, reason: str = "Because", message: str = "") -> Any:
    return {"type": kind, "status": str(holds), "reason": reason, "message": message}
