"""The objects of the Kubernetes API that are used here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from synthvlm.cluster.pods import Pod

APPLICATION = "synthvlm"
"""Value of the label ``app.kubernetes.io/name`` of every object."""


class Manifested(Protocol):
    """An object that ``kubectl apply`` takes."""

    def manifest(self) -> dict[str, Any]:
        """The object in the API's form."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of an object.

    Attributes:
        component: What it is part of: the label ``app.kubernetes.io/component``.
        namespace: Its namespace; None: that of the context in which it is applied.
    """

    name: str
    component: str
    namespace: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels."""
        return {
            "app.kubernetes.io/name": APPLICATION,
            "app.kubernetes.io/component": self.component,
        }

    def manifest(self) -> dict[str, Any]:
        """``metadata`` of an object."""
        namespace = {"namespace": self.namespace} if self.namespace else {}
        return {"name": self.name, **namespace, "labels": self.labels}


@dataclass(frozen=True)
class ConfigMap:
    """Files by name, which cannot be changed once they are applied."""

    metadata: Metadata
    files: Mapping[str, str]

    def manifest(self) -> dict[str, Any]:
        """The object."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata.manifest(),
            "immutable": True,
            "data": dict(self.files),
        }


@dataclass(frozen=True)
class Job:
    """A pod that is run until it succeeds.

    Attributes:
        metadata: Its name, and the labels of Job and pod.
        retries: How often it is run again when it fails.
        kept_seconds: How long it is kept after it has ended.
    """

    metadata: Metadata
    pod: Pod
    retries: int = 2
    kept_seconds: int = 24 * 3600

    def manifest(self) -> dict[str, Any]:
        """The object."""
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self.metadata.manifest(),
            "spec": {
                "backoffLimit": self.retries,
                "ttlSecondsAfterFinished": self.kept_seconds,
                "template": {
                    "metadata": {"labels": self.metadata.labels},
                    "spec": self.pod.manifest(),
                },
            },
        }


def as_yaml(objects: Iterable[Manifested]) -> str:
    """The objects as YAML documents, for ``kubectl apply -f -``."""
    return yaml.safe_dump_all([one.manifest() for one in objects], sort_keys=False)
