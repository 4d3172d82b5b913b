"""The Kubernetes Job that builds the engines of a profile on one GPU product."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import yaml

from synthvlm.cli.failures import WrongUsageError
from synthvlm.profiles import setting
from synthvlm.storage import canonical_json

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PROFILE_FILE = "profile.yaml"
_PROFILE_FOLDER = "/etc/synthvlm"
_MODELS_FOLDER = "/models"
_USER = 65532
_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class JobRequest:
    """What the job shall be.

    Attributes:
        gpu: The product, as the label ``nvidia.com/gpu.product`` has it.
        image: Container image of the generation service, with TensorRT.
        store: Object store of the engines.
        profile: The profile's sections; the generation section is given to the job.
        namespace: Namespace; None: that of the context.
        models_claim: PersistentVolumeClaim of the models, mounted at /models; None: they are in
            the image.
        service_account: ServiceAccount whose identity may write to the store; None: the default.
        credentials: Name of an existing Secret with the store's credentials as environment
            variables; None: the ServiceAccount suffices.
    """

    gpu: str
    image: str
    store: str
    profile: dict[str, Any]
    namespace: str | None = None
    models_claim: str | None = None
    service_account: str | None = None
    credentials: str | None = None

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.gpu):
            raise WrongUsageError(
                f"--gpu {self.gpu!r} is no value of the label nvidia.com/gpu.product, for example "
                f"NVIDIA-H100-80GB-HBM3"
            )
        if self.store.startswith(("file://", "memory://")):
            raise WrongUsageError(
                f"the store {self.store} is on this machine; give --store s3://bucket/prefix, "
                f"gs:// or az://, which the cluster reaches too"
            )
        named = {
            "--namespace": self.namespace,
            "--models-claim": self.models_claim,
            "--service-account": self.service_account,
            "--credentials": self.credentials,
        }
        for option, name in named.items():
            if name is not None and not _NAME.fullmatch(name):
                raise WrongUsageError(f"{option} {name!r} is no name of a Kubernetes object")
        device = setting(self.profile, "generation", "pipeline", "device") or "cpu"
        if not str(device).startswith("cuda"):
            raise WrongUsageError(
                f"the profile computes on {device}; engines are for one with pipeline.device: cuda"
            )


def render_job(request: JobRequest) -> str:
    """The manifests as YAML documents, for ``kubectl apply -f -``."""
    return yaml.safe_dump_all(job_manifests(request), sort_keys=False)


def job_manifests(request: JobRequest) -> list[dict[str, Any]]:
    """A ConfigMap with the profile, and the Job. They hold no secret.

    The name is that of what is built: the same request gives the same Job, another profile another
    one beside it.
    """
    section = {"generation": request.profile["generation"]}
    text = yaml.safe_dump(section, sort_keys=False)
    identity = [section, request.gpu, request.image, request.store]
    digest = hashlib.sha256(canonical_json(identity)).hexdigest()[:8]
    product = re.sub(r"[^a-z0-9]+", "-", request.gpu.lower()).strip("-")[:32].strip("-")
    name = f"synthvlm-engines-{product}-{digest}"
    metadata = {
        "name": name,
        **({"namespace": request.namespace} if request.namespace else {}),
        "labels": {
            "app.kubernetes.io/name": "synthvlm",
            "app.kubernetes.io/component": "engines",
        },
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "data": {_PROFILE_FILE: text},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 2,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {
                "metadata": {"labels": metadata["labels"]},
                "spec": _pod(request, name),
            },
        },
    }
    return [config, job]


def _pod(request: JobRequest, config: str) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "profile", "configMap": {"name": config}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "64Gi"}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "profile", "mountPath": _PROFILE_FOLDER, "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
    ]
    if request.models_claim is not None:
        claim = {"claimName": request.models_claim, "readOnly": True}
        volumes.append({"name": "models", "persistentVolumeClaim": claim})
        mounts.append({"name": "models", "mountPath": _MODELS_FOLDER, "readOnly": True})
    container: dict[str, Any] = {
        "name": "build",
        "image": request.image,
        "command": ["python", "-m", "synthvlm.generation.tensorrt"],
        "args": ["--profile", f"{_PROFILE_FOLDER}/{_PROFILE_FILE}", "--store", request.store],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108
        "resources": {
            "requests": {"cpu": "4", "memory": "32Gi", "nvidia.com/gpu": "1"},
            "limits": {"memory": "64Gi", "nvidia.com/gpu": "1"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    if request.credentials is not None:
        container["envFrom"] = [{"secretRef": {"name": request.credentials}}]
    account = {"serviceAccountName": request.service_account} if request.service_account else {}
    return {
        "restartPolicy": "Never",
        **account,
        "automountServiceAccountToken": False,
        "nodeSelector": {"nvidia.com/gpu.product": request.gpu},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
