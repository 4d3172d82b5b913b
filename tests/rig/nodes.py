"""The fake nodes of a cluster: objects only, as managed clusters present them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FAKE = "kube-rig.test/fake"
"""Label of the nodes whose kubelet is ``hollow``."""

_HEALTHY = {
    "Ready": "True",
    "MemoryPressure": "False",
    "DiskPressure": "False",
    "PIDPressure": "False",
    "NetworkUnavailable": "False",
}
_MADE_UP = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
    "kubeProxyVersion",
)  # fmt: skip


@dataclass
class Pool:
    """Nodes of one kind, named NAME-0, NAME-1, ..."""

    name: str
    count: int
    capacity: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    taints: list[dict[str, str]] = field(default_factory=list)

    def nodes(self) -> Iterator[dict[str, Any]]:
        """The objects, ready, spread over three zones."""
        capacity = {"cpu": "32", "memory": "128Gi", "ephemeral-storage": "500Gi", "pods": "110"}
        capacity |= self.capacity
        for i in range(self.count):
            name = f"{self.name}-{i}"
            labels = {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node-pool": self.name,
                "topology.kubernetes.io/region": "rig",
                "topology.kubernetes.io/zone": f"rig-{'abc'[i % 3]}",
                FAKE: "true",
            }
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": labels | self.labels},
                "spec": {"taints": self.taints},
                "status": {
                    "capacity": capacity,
                    "allocatable": capacity,
                    "conditions": [_condition(kind, status) for kind, status in _HEALTHY.items()],
                    "addresses": [{"type": "Hostname", "address": name}],
                    "nodeInfo": dict.fromkeys(_MADE_UP, "")
                    | {
                        "kubeletVersion": "v1.20.2-fake",
                        "operatingSystem": "linux",
                        "architecture": "amd64",
                    },
                },
            }


def gpu_pool(count: int, gpus: int = 8, taint: bool = True) -> Pool:
    """GPU nodes as managed clusters present them: labelled, and tainted unless told not to."""
    return Pool(
        "gpu",
        count,
        {"nvidia.com/gpu": str(gpus), "cpu": "96", "memory": "768Gi"},
        {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
        [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}] if taint else [],
    )


def now() -> str:
    """The time, as objects of Kubernetes have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _condition(kind: str, status: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": status,
        "reason": "KubeRig",
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }
