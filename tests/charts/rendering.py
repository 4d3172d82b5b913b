"""The chart as parsed objects, under its profiles and a matrix of options, each rendered once."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.contracts.words import ROOT

CHART = ROOT / "charts" / "synthvlm"
PROFILES = ("mini", "single-gpu", "cluster")
OLDEST, NEWEST = "1.33", "1.37"
"""Versions of Kubernetes that the chart is for."""

TOOLS = Path(sys.prefix) / "charts" / "bin"
"""Where `make chart-tools` puts helm, kubectl and checkov."""

APIS = (
    "cert-manager.io/v1/Certificate",
    "gateway.envoyproxy.io/v1alpha1/BackendTrafficPolicy",
    "gateway.networking.k8s.io/v1/BackendTLSPolicy",
    "gateway.networking.k8s.io/v1/GRPCRoute",
    "gateway.networking.k8s.io/v1/HTTPRoute",
    "keda.sh/v1alpha1/ScaledObject",
    "kubeflow.org/v1/PyTorchJob",
    "kubeflow.org/v1alpha1/PodDefault",
    "kueue.x-k8s.io/v1beta2/ClusterQueue",
    "monitoring.coreos.com/v1/PrometheusRule",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "trainer.kubeflow.org/v1alpha1/ClusterTrainingRuntime",
)
"""What a cluster serves on which everything is installed."""

Object = dict[str, Any]
Values = Mapping[str, Any]

POSTGRESQL = {
    "database": "postgresql://synthvlm@postgresql:5432/synthvlm",
    "passwordSecret": "the-database",
}
S3 = {"uri": "s3://bucket/prefix", "credentialsSecret": "the-store", "claim": {"enabled": False}}
CLAIM = {"source": "claim", "claim": "the-weights"}
ON_GPU = {"pool": "gpu", "weights": True}

EVERYTHING: Values = {
    "services": {
        "review": {"enabled": True},
        "generation": {
            "autoscaling": {"kind": "keda"},
            "config": {
                "max_pixels": 1048576,
                "drain_seconds": 90,
                "pipeline": {"scheduler": "EulerDiscreteScheduler"},
            },
            "envFromSecrets": ["more"],
            "env": {"EXTRA": "1"},
        },
        "caption": {"autoscaling": {"kind": "hpa"}},
        "alignment": ON_GPU,
    },
    "triton": {"enabled": True, "replicas": 2},
    "judge": {"enabled": True},
    "engines": {"enabled": True, "products": ["NVIDIA-H100-80GB-HBM3", "NVIDIA-L4"]},
    "images": {"registry": "registry.example.com/team", "pullSecrets": ["the-registry"]},
    "weights": CLAIM,
    "store": {**S3, "env": {"AWS_REGION": "eu-central-1"}},
    "catalogue": POSTGRESQL,
    "tls": {"enabled": True, "issuer": {"name": "the-issuer"}},
    "auth": {
        "tokenSecret": "the-token",
        "kubernetes": {
            "audience": "synthvlm",
            "grants": [{"groups": ["system:serviceaccounts:team"], "scopes": ["*:write"]}],
        },
        "oidc": {
            "issuer": "https://provider.example.com",
            "audience": "synthvlm",
            "caSecret": "the-provider",
        },
    },
    "exposure": {
        "kind": "gateway",
        "grpc": True,
        "parentRefs": [{"name": "the-gateway"}],
        "envoyTimeout": "2h",
        "authority": "the-authority",
    },
    "priorityClasses": {"create": True},
    "telemetry": {"otlpEndpoint": "http://collector:4317"},
    "monitoring": {
        "serviceMonitor": True,
        "alerts": True,
        "dashboard": True,
        "prometheusAddress": "http://prometheus:9090",
        "labels": {"release": "prometheus"},
    },
    "kueue": {"enabled": True, "nodeLabels": {"pool": "gpu"}},
    "training": {"enabled": True},
}

OPTIONS: dict[str, Values] = {
    "everything": EVERYTHING,
    "own-secrets": {
        "tls": {"enabled": True, "mutual": False, "existingSecret": "the-certificate"},
        "auth": {"tokenSecret": "the-token", "tokenKey": "key"},
    },
    "service-accounts": {
        "auth": {"kubernetes": {"audience": "synthvlm"}},
        "tls": {"enabled": True, "existingSecret": "the-certificate"},
        "pipelines": {"podDefault": True, "serviceAccount": {"namespace": "team"}},
    },
    "plain-triton": {
        "tls": {"enabled": True, "existingSecret": "the-certificate", "triton": False},
        "triton": {"enabled": True},
    },
    "own-client-secret": {
        "triton": {"enabled": True},
        "tls": {
            "enabled": True,
            "existingSecret": "the-certificate",
            "clientSecret": "the-client",
        },
    },
    "weights-image": {
        "weights": {"source": "image", "image": "registry.example.com/sdxl:1"},
        "services": {"generation": ON_GPU, "alignment": ON_GPU},
    },
    "weights-download": {
        "weights": {
            "source": "download",
            "download": {"image": "registry.example.com/s3:1", "command": ["sync", "/models"]},
        },
        "services": {"generation": ON_GPU},
        "triton": {"enabled": True},
    },
    "weights-fetched": {
        "store": S3,
        "weights": {
            "source": "download",
            "download": {
                "sources": [
                    {
                        "from": f"hf:team/sdxl@{'a' * 40}",
                        "to": "sdxl",
                        "only": ["unet/*", "*.json"],
                    },
                    {
                        "from": "s3://bucket/clip",
                        "to": "clip",
                        "digest": f"sha256:{'0' * 64}",
                    },
                ]
            },
        },
        "services": {"generation": ON_GPU},
        "triton": {"enabled": True},
    },
    "claims-of-devices": {
        "pools": {
            "gpu": {
                "resource": "",
                "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "the-claims"}],
            }
        },
        "services": {"generation": ON_GPU},
    },
    "part-of-a-gpu": {
        "pools": {
            "mig": {
                "resource": "nvidia.com/mig-1g.10gb",
                "nodeSelector": {"pool": "mig"},
                "tolerations": [],
                "runtimeClassName": "nvidia",
            }
        },
        "services": {"generation": {"pool": "mig"}},
    },
    "ingress": {
        "services": {"review": {"enabled": True}},
        "auth": {"tokenSecret": "the-token"},
        "exposure": {
            "kind": "ingress",
            "className": "nginx",
            "tlsSecret": "the-page",
            "annotations": {"a": "b"},
        },
    },
    "web-by-gateway": {
        "services": {"review": {"enabled": True}},
        "auth": {"tokenSecret": "the-token"},
        "exposure": {"kind": "gateway", "parentRefs": [{"name": "the-gateway"}]},
    },
    "scaled": {
        "catalogue": POSTGRESQL,
        "store": S3,
        "defaults": {"autoscaling": {"kind": "hpa"}},
        "services": {"generation": {"autoscaling": {"kind": "keda"}}},
        "monitoring": {"prometheusAddress": "http://prometheus:9090"},
    },
    "existing-objects": {
        "defaults": {"serviceAccount": {"name": "the-account"}},
        "store": {"claim": {"name": "the-data"}},
        "priorityClasses": {"serving": "the-serving", "batch": "the-batch"},
        "kueue": {"enabled": True, "create": False, "queue": "the-queue"},
        "engines": {"enabled": True, "products": ["NVIDIA-L4"]},
    },
    "named-images": {
        "fullnameOverride": "other",
        "services": {
            "caption": {"image": {"name": "team/caption", "digest": f"sha256:{'0' * 64}"}},
            "dataset": {"image": {"tag": "2"}},
        },
        "catalogue": POSTGRESQL,
    },
    "open-network": {"networkPolicy": {"enabled": False}, "triton": {"enabled": True}},
    "callers": {
        "networkPolicy": {"clients": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
        "judge": {"enabled": True},
    },
    "one-service": {
        "defaults": {"enabled": False},
        "services": {"caption": {"enabled": True}},
    },
}

CONFIGURATIONS = (*PROFILES, *OPTIONS)


class RefusedError(Exception):
    """Helm refused the values or the chart; the message is its own."""


def tool(name: str) -> str:
    """The path of a tool of the chart's.

    Raises:
        FileNotFoundError: It is not installed.
    """
    found = shutil.which(name, path=f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise FileNotFoundError(f"{name} is missing; run `make chart-tools`")
    return found


def helm(*arguments: str) -> str:
    """Runs helm; its output.

    Raises:
        RefusedError: It failed.
    """
    done = subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def manifests(
    values: Values | None = None,
    *,
    profile: str | None = None,
    kubernetes: str = NEWEST,
    apis: tuple[str, ...] = APIS,
    chart: Path = CHART,
    checked: bool = True,
) -> str:
    """The manifests as text.

    Raises:
        RefusedError: Helm refused the values.
    """
    files = ["--values", str(chart / f"values-{profile}.yaml")] if profile else []
    # One --set-json a key, as the JSON of all would have to be a file.
    sets = [f"--set-json={key}={json.dumps(value)}" for key, value in (values or {}).items()]
    served = [f"--api-versions={api}" for api in apis]
    return helm(
        "template", "synthvlm", str(chart), "--namespace", "images", f"--kube-version={kubernetes}",
        *files, *sets, *served, *([] if checked else ["--skip-schema-validation"]),
    )  # fmt: skip


def render(values: Values | None = None, **options: Any) -> list[Object]:
    """The manifests as parsed objects; arguments as of ``manifests``."""
    return [entry for entry in yaml.load_all(manifests(values, **options), _Loader) if entry]


class Configuration(Sequence[Object]):
    """The objects of a profile or an option, rendered when they are first looked at."""

    def __init__(self, name: str, kubernetes: str) -> None:
        self._name = name
        self._kubernetes = kubernetes

    @functools.cached_property
    def _objects(self) -> list[Object]:
        if self._name in PROFILES:
            return render(profile=self._name, kubernetes=self._kubernetes)
        return render(OPTIONS[self._name], kubernetes=self._kubernetes)

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, index: Any) -> Any:
        return self._objects[index]


@functools.cache
def configuration(name: str, kubernetes: str = NEWEST) -> Configuration:
    """The objects of a profile or an option; do not change them."""
    return Configuration(name, kubernetes)


def values_of(name: str) -> Values:
    """What a configuration says besides the chart's own values."""
    if name not in PROFILES:
        return OPTIONS[name]
    content: Values = yaml.safe_load((CHART / f"values-{name}.yaml").read_text("utf-8"))
    return content


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a key that a mapping has twice, of which YAML's own loader keeps the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise ValueError(f"{node.start_mark}: {', '.join(map(str, twice))} is there twice")
        content: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return content
