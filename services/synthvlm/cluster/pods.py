"""What a pod is made of: volumes, resources, a container, and where it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthvlm.cluster.security import container_security, pod_security

GPU = "nvidia.com/gpu"
"""The resource that NVIDIA's device plugin offers, and the taint of nodes that have it."""

GPU_PRODUCT = "nvidia.com/gpu.product"
"""The label that NVIDIA's feature discovery gives to nodes."""


@dataclass(frozen=True)
class Volume:
    """A volume, and where the container finds it.

    Attributes:
        path: Where it is mounted.
        source: What it holds, in the API's form: one key, the kind of the volume.
    """

    name: str
    path: str
    source: Mapping[str, Any]
    read_only: bool = False

    @classmethod
    def config_map(cls, name: str, path: str, config_map: str) -> "Volume":
        """The files of a ConfigMap."""
        return cls(name, path, {"configMap": {"name": config_map}}, read_only=True)

    @classmethod
    def claim(cls, name: str, path: str, claim: str) -> "Volume":
        """The content of a PersistentVolumeClaim, read-only."""
        source = {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        return cls(name, path, source, read_only=True)

    @classmethod
    def scratch(cls, name: str, path: str, size: str) -> "Volume":
        """An empty folder that is lost with the pod; ``size`` is the most that it may hold."""
        return cls(name, path, {"emptyDir": {"sizeLimit": size}})

    def manifest(self) -> dict[str, Any]:
        """The entry of the pod."""
        return {"name": self.name, **self.source}

    def mount(self) -> dict[str, Any]:
        """The entry of the container."""
        read_only = {"readOnly": True} if self.read_only else {}
        return {"name": self.name, "mountPath": self.path, **read_only}


@dataclass(frozen=True)
class Resources:
    """What a container needs, in Kubernetes' quantities.

    Attributes:
        cpu: Cores that it is guaranteed; it may use more where they are idle.
        memory: Memory that it is guaranteed.
        memory_limit: Memory above which it is killed.
        gpus: Number of whole GPUs.
    """

    cpu: str
    memory: str
    memory_limit: str
    gpus: int = 0

    def manifest(self) -> dict[str, Any]:
        """``resources`` of a container."""
        gpus = {GPU: str(self.gpus)} if self.gpus else {}
        return {
            "requests": {"cpu": self.cpu, "memory": self.memory, **gpus},
            "limits": {"memory": self.memory_limit, **gpus},
        }


@dataclass(frozen=True)
class Container:
    """A container without privileges, which cannot write to its image.

    Attributes:
        arguments: The command's arguments.
        volumes: What it can access besides the image.
        secrets: Existing Secrets whose keys become environment variables.
    """

    name: str
    image: str
    command: Sequence[str]
    arguments: Sequence[str]
    resources: Resources
    volumes: Sequence[Volume] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()

    def manifest(self) -> dict[str, Any]:
        """The entry of the pod."""
        secrets = [{"secretRef": {"name": name}} for name in self.secrets]
        return {
            "name": self.name,
            "image": self.image,
            "command": list(self.command),
            "args": list(self.arguments),
            "env": [{"name": name, "value": value} for name, value in self.environment.items()],
            "resources": self.resources.manifest(),
            "securityContext": container_security(),
            "volumeMounts": [volume.mount() for volume in self.volumes],
            **({"envFrom": secrets} if secrets else {}),
        }


@dataclass(frozen=True)
class Pod:
    """A pod of one container that runs once and does not use the cluster's API.

    Attributes:
        gpu_product: The GPU product of the nodes that it may run on; None: any.
        service_account: ServiceAccount whose identity it has; None: the namespace's default.
    """

    container: Container
    gpu_product: str | None = None
    service_account: str | None = None

    def manifest(self) -> dict[str, Any]:
        """``spec`` of a pod."""
        account = {"serviceAccountName": self.service_account} if self.service_account else {}
        selector = {"nodeSelector": {GPU_PRODUCT: self.gpu_product}} if self.gpu_product else {}
        tolerations = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
        return {
            "restartPolicy": "Never",
            **account,
            "automountServiceAccountToken": False,
            **selector,
            **({"tolerations": tolerations} if self.container.resources.gpus else {}),
            "securityContext": pod_security(),
            "containers": [self.container.manifest()],
            "volumes": [volume.manifest() for volume in self.container.volumes],
        }
