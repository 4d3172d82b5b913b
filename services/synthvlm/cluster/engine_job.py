"""The Kubernetes Job that builds the engines of a profile on one GPU product."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from synthvlm.cluster.objects import ConfigMap, Job, Manifested, Metadata
from synthvlm.cluster.pods import GPU_PRODUCT, Container, Pod, Resources, Volume
from synthvlm.errors import InvalidInput

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_COMMAND = ("python", "-m", "synthvlm.generation.tensorrt")
_PROFILE_FILE = "profile.yaml"
_PROFILE_FOLDER = "/etc/synthvlm"
_MODELS_FOLDER = "/models"
_SCRATCH_FOLDER = "/tmp"  # noqa: S108 - a volume of the pod's own
_RESOURCES = Resources(cpu="4", memory="32Gi", memory_limit="64Gi", gpus=1)


@dataclass(frozen=True)
class EngineJob:
    """A Job that builds engines, and the profile that it builds them for.

    Attributes:
        gpu: The product: a value of the label ``nvidia.com/gpu.product``.
        image: Container image of the generation service, with TensorRT.
        store: Object store for the engines.
        generation: The profile's section for the generation service.
        namespace: Namespace; None: that of the context.
        models_claim: PersistentVolumeClaim of the models, mounted at /models; None: they are in
            the image.
        service_account: ServiceAccount whose identity may write to the store; None: the default.
        credentials: Name of an existing Secret with the store's credentials as environment
            variables; None: the ServiceAccount suffices.

    Raises:
        InvalidInput: A name is not valid in Kubernetes, or the profile or store is unsuitable.
    """

    gpu: str
    image: str
    store: str
    generation: Mapping[str, Any]
    namespace: str | None = None
    models_claim: str | None = None
    service_account: str | None = None
    credentials: str | None = None

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.gpu):
            raise InvalidInput(
                f"{self.gpu!r} is not a value of the label {GPU_PRODUCT}, for example "
                f"NVIDIA-H100-80GB-HBM3"
            )
        if self.store.startswith(("file://", "memory://")):
            raise InvalidInput(
                f"the store {self.store} is on this machine; name one that the cluster can reach "
                f"too: s3://bucket/prefix, gs:// or az://"
            )
        named = {
            "namespace": self.namespace,
            "volume claim": self.models_claim,
            "service account": self.service_account,
            "secret": self.credentials,
        }
        for what, name in named.items():
            if name is not None and not _NAME.fullmatch(name):
                raise InvalidInput(f"the {what} {name!r} is not a valid name in Kubernetes")
        device = str((self.generation.get("pipeline") or {}).get("device", "cpu"))
        if not device.startswith("cuda"):
            raise InvalidInput(
                f"the profile computes on {device}; engines are for one with pipeline.device: cuda"
            )

    def objects(self) -> list[Manifested]:
        """A ConfigMap with the profile, and the Job. They contain no secret."""
        metadata = Metadata(self.name, "engines", self.namespace)
        profile = yaml.safe_dump(self._profile, sort_keys=False)
        return [ConfigMap(metadata, {_PROFILE_FILE: profile}), Job(metadata, self._pod())]

    @property
    def name(self) -> str:
        """The name of both objects, which identifies what is built.

        The same request gives the same Job; another profile gives another Job beside it.
        """
        identity = [self._profile, self.gpu, self.image, self.store]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        product = re.sub(r"[^a-z0-9]+", "-", self.gpu.lower()).strip("-")[:32].strip("-")
        return f"synthvlm-engines-{product}-{digest}"

    @property
    def _profile(self) -> dict[str, Any]:
        return {"generation": dict(self.generation)}

    def _pod(self) -> Pod:
        volumes = [
            Volume.config_map("profile", _PROFILE_FOLDER, self.name),
            Volume.scratch("scratch", _SCRATCH_FOLDER, "64Gi"),
        ]
        if self.models_claim is not None:
            volumes.append(Volume.claim("models", _MODELS_FOLDER, self.models_claim))
        builder = Container(
            name="build",
            image=self.image,
            command=_COMMAND,
            arguments=["--profile", f"{_PROFILE_FOLDER}/{_PROFILE_FILE}", "--store", self.store],
            resources=_RESOURCES,
            volumes=volumes,
            environment={"HOME": _SCRATCH_FOLDER},
            secrets=[] if self.credentials is None else [self.credentials],
        )
        return Pod(builder, gpu_product=self.gpu, service_account=self.service_account)
