"""A job that Kubeflow Trainer is to run, whatever the version of Trainer."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from synthvlm.cluster.objects import Metadata
from synthvlm.cluster.trainer_settings import JobShape, TrainerSettings
from synthvlm.errors import InvalidInput
from synthvlm.jobs.asked import REQUEST_VARIABLE

RUN_LABEL = "synthvlm.io/run"
"""Label with the run's name."""

CONTENT_ANNOTATION = "synthvlm.io/content"
"""Annotation with the digest of what was asked for. What others add later is not in it."""

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_REQUEST_LIMIT = 128 * 1024 - 1
"""Bytes of the longest environment variable that Linux takes, name and end included."""


@dataclass(frozen=True)
class TrainerJob:
    """A training or an evaluation of a run.

    Attributes:
        work: What is done: ``training`` or ``evaluation``.
        run: Name of the run.
        command: The program, which finds its request in the environment.
        request: The request, in JSON values.
        shape: How many pods, and what they are given.
        settings: What holds for all jobs.

    Raises:
        InvalidInput: The run has no name, or the request is too long for a variable.
    """

    work: str
    run: str
    command: tuple[str, ...]
    request: Mapping[str, Any]
    shape: JobShape
    settings: TrainerSettings

    def __post_init__(self) -> None:
        if not self.run:
            raise InvalidInput(f"a {self.work} on a cluster needs the name of its run")
        if len(f"{REQUEST_VARIABLE}={_json(self.request)}".encode()) > _REQUEST_LIMIT:
            raise InvalidInput(f"the request of the {self.work} is longer than 128 KiB")

    @property
    def name(self) -> str:
        """The object's name: the same request of the same run gives the same one.

        Pods add up to 18 characters to it, and a name has 63.
        """
        run = re.sub(r"[^a-z0-9]+", "-", self.run.lower()).strip("-")[:20].strip("-")
        digest = _digest([self.run, self.work, self.request])[:8]
        return "-".join(filter(None, (self.work, run, digest)))

    def metadata(self) -> dict[str, Any]:
        """``metadata``, without the digest of the content."""
        metadata = Metadata(self.name, self.work, self.settings.namespace).manifest()
        metadata["labels"][RUN_LABEL] = label_value(self.run)
        if self.settings.queue is not None:
            metadata["labels"][QUEUE_LABEL] = self.settings.queue
        if self.settings.priority is not None:
            metadata["labels"][PRIORITY_LABEL] = self.settings.priority
        return metadata

    def pod_labels(self) -> dict[str, str]:
        """Labels of the pods, besides those that Trainer and its runtime give them."""
        return {**self.shape.labels, RUN_LABEL: label_value(self.run)}

    def environment(self) -> list[dict[str, str]]:
        """The variables of the container, the request among them."""
        variables = {**self.shape.env, REQUEST_VARIABLE: _json(self.request)}
        # Kubernetes replaces $(NAME) in values, and two dollars by one.
        return [
            {"name": name, "value": value.replace("$", "$$")} for name, value in variables.items()
        ]


class Phase(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class JobStatus:
    """What Trainer says of a job; ``reason`` is why it waits or has failed."""

    phase: Phase
    reason: str = ""


class JobForm(Protocol):
    """A job as one version of Trainer takes it."""

    kind: str
    group_version: str
    plural: str
    container: str
    """Name of the container that does the work."""

    def manifest(self, job: TrainerJob) -> dict[str, Any]:
        """The object.

        Raises:
            InvalidInput: It has a field that the API does not know, or a wrong value.
        """

    def status(self, found: Mapping[str, Any]) -> JobStatus:
        """Where an object of the cluster stands."""

    def pod_selector(self, name: str) -> str:
        """Label selector of the pods of the job called ``name``."""

    def is_first(self, pod: Mapping[str, Any]) -> bool:
        """Whether the first process is in this pod: the one that tells of progress."""


def with_digest(manifest: dict[str, Any]) -> dict[str, Any]:
    """The object with the digest of its content as an annotation."""
    metadata = {**manifest["metadata"], "annotations": {CONTENT_ANNOTATION: _digest(manifest)}}
    return {**manifest, "metadata": metadata}


def content_of(found: Mapping[str, Any]) -> str | None:
    """The digest that an object was made with; None: it is not one of ours."""
    digest: str | None = (found["metadata"].get("annotations") or {}).get(CONTENT_ANNOTATION)
    return digest


def conditions(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The conditions of an object that hold, by type."""
    listed = (found.get("status") or {}).get("conditions") or []
    return {one["type"]: one for one in listed if one.get("status") == "True"}


def because(condition: Mapping[str, Any]) -> str:
    """What a condition says, in one line."""
    parts = (condition.get("reason"), condition.get("message"))
    return " ".join(": ".join(filter(None, parts)).split())


def label_value(run: str) -> str:
    """The value of the label with a run's name, which allows less than names do."""
    if _LABEL.fullmatch(run):
        return run
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", run)[:50].strip("-._")
    return f"{kept}-{_digest(run)[:8]}".strip("-")


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(value: Any) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()
