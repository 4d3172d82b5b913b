"""What a run's pods get besides what the pipeline says: queue, nodes, credentials, settings.

Written into the compiled PlatformSpec as ``KubernetesExecutorConfig`` messages, the form that
kfp-kubernetes writes, because queue and nodes are known only when a run is sent. Nothing that the
pipeline says itself is changed.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthvlm.submission.packages import Package

CLIENT_LABEL = "synthvlm.io/client"
"""Pods with this label set to true may call the services (the chart's NetworkPolicy)."""

RUN_ID_VARIABLE = "SYNTHVLM_STEP_RUN_ID"
"""Tells a step which execution it belongs to; the server writes that into a label of its pod."""

_RUN_ID_FIELD = "metadata.labels['pipeline/runid']"

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"


@dataclass(frozen=True)
class Pool:
    """Nodes of one kind.

    Attributes:
        node_selector: Labels that they have.
        tolerations: Their taints, as entries of a pod's ``tolerations``.
    """

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Placement:
    """Where the pods of a run go, and what they find there.

    Attributes:
        queue: Kueue's LocalQueue that they wait in; empty: none.
        priority: Kueue's WorkloadPriorityClass; empty: the queue's default.
        pool: Nodes that they are put on; None: as the pipeline says.
        environment: Environment variables of every step.
        secrets: Secrets by the folder that they are mounted at.
    """

    queue: str = ""
    priority: str = ""
    pool: Pool | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def labels(self) -> dict[str, str]:
        """The pods' labels."""
        wanted = {CLIENT_LABEL: "true", QUEUE_LABEL: self.queue, PRIORITY_LABEL: self.priority}
        return {name: value for name, value in wanted.items() if value}


def placed(package: Package, placement: Placement) -> Package:
    """The package with every pod placed."""
    spec, platforms = copy.deepcopy(package.spec), copy.deepcopy(package.platforms)
    kubernetes = platforms.setdefault("platforms", {}).setdefault("kubernetes", {})
    configured = kubernetes.setdefault("deploymentSpec", {}).setdefault("executors", {})
    for label, executor in spec["deploymentSpec"]["executors"].items():
        if "container" not in executor:  # an importer has no pod
            continue
        _set_environment(executor["container"], placement.environment)
        _configure(configured.setdefault(label, {}), placement)
    return Package(spec, platforms)


def _set_environment(container: dict[str, Any], wanted: Mapping[str, str]) -> None:
    environment = container.setdefault("env", [])
    known = {entry["name"] for entry in environment}
    environment += [
        {"name": name, "value": value}
        for name, value in sorted(wanted.items())
        if name not in known
    ]
    if not environment:
        del container["env"]


def _configure(executor: dict[str, Any], placement: Placement) -> None:
    labels = executor.setdefault("podMetadata", {}).setdefault("labels", {})
    for name, value in placement.labels().items():
        labels.setdefault(name, value)
    fields = executor.setdefault("fieldPathAsEnv", [])
    if RUN_ID_VARIABLE not in {entry["name"] for entry in fields}:
        fields.append({"name": RUN_ID_VARIABLE, "fieldPath": _RUN_ID_FIELD})
    mounted = {entry["mountPath"] for entry in executor.get("secretAsVolume", [])}
    for path, secret in sorted(placement.secrets.items()):
        if path not in mounted:
            executor.setdefault("secretAsVolume", []).append(_secret(path, secret))
    if placement.pool is not None:
        selected = executor.setdefault("nodeSelector", {}).setdefault("labels", {})
        for name, value in placement.pool.node_selector.items():
            selected.setdefault(name, value)
        tolerations = executor.setdefault("tolerations", [])
        tolerations += [
            dict(one) for one in placement.pool.tolerations if dict(one) not in tolerations
        ]


def _secret(path: str, name: str) -> dict[str, Any]:
    parameter = {"runtimeValue": {"constant": name}}
    return {
        "secretName": name,
        "secretNameParameter": parameter,
        "mountPath": path,
        "optional": False,
    }
