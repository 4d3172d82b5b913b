"""GPUs, weights, shared memory, and where pods run."""

import sys
from typing import Any

import pytest

import synthvlm.weights.__main__ as weights_command
from synthvlm.weights.fetch import Fetched
from tests.charts.objects import of_kind, template, templates
from tests.charts.rendering import (
    RefusedError,
    configuration,
    render,
)

ALL = configuration("everything")


def test_a_gpu_pool_gives_the_gpu_and_tolerates_its_taint() -> None:
    pod = template(ALL, "triton")
    assert pod.container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in (
        pod.spec["tolerations"]
    )
    assert "runtimeClassName" not in pod.spec
    assert "nvidia.com/gpu" not in template(ALL, "generation").container["resources"]["limits"]


def test_a_pool_may_be_a_part_of_a_gpu() -> None:
    pod = template(configuration("part-of-a-gpu"), "generation")
    assert pod.container["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == 1
    assert pod.spec["nodeSelector"] == {"pool": "mig"}
    assert pod.spec["runtimeClassName"] == "nvidia"


def test_a_pool_may_claim_devices() -> None:
    pod = template(configuration("claims-of-devices"), "generation")
    claim = {"name": "gpu", "resourceClaimTemplateName": "the-claims"}
    assert pod.spec["resourceClaims"] == [claim]
    assert pod.container["resources"]["claims"] == [{"name": "gpu"}]
    assert "nvidia.com/gpu" not in pod.container["resources"]["limits"]


def test_a_pool_that_is_not_there_is_refused() -> None:
    with pytest.raises(RefusedError, match='pool "tpu" of caption is not one of `pools`'):
        render({"services.caption.pool": "tpu"})


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("everything", {"persistentVolumeClaim": {"claimName": "the-weights", "readOnly": True}}),
        (
            "weights-image",
            {"image": {"reference": "registry.example.com/sdxl:1", "pullPolicy": "IfNotPresent"}},
        ),
        ("weights-download", {"emptyDir": {"sizeLimit": "40Gi"}}),
    ],
)
def test_weights_come_three_ways(name: str, source: dict[str, Any]) -> None:
    pod = template(configuration(name), "triton" if name == "weights-download" else "alignment"
                   if name == "everything" else "generation")  # fmt: skip
    (volume,) = (entry for entry in pod.spec["volumes"] if entry["name"] == "weights")
    assert volume == {"name": "weights", **source}
    mount = {"name": "weights", "mountPath": "/models", "readOnly": True}
    assert mount in pod.container["volumeMounts"]
    downloads = [one["name"] for one in pod.spec.get("initContainers", [])]
    assert downloads == (["download-0"] if name == "weights-download" else [])


@pytest.mark.parametrize("name", ["generation", "triton"])
def test_weights_are_fetched_by_the_command_that_checks_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = template(configuration("weights-fetched"), name)
    first, second = pod.spec["initContainers"]
    assert first["command"] == [
        "python3", "-m", "synthvlm.weights", f"hf:team/sdxl@{'a' * 40}", "--to", "/models/sdxl",
        "--only", "unet/*", "--only", "*.json",
    ]  # fmt: skip
    assert second["command"][-2:] == ["--digest", f"sha256:{'0' * 64}"]
    assert first["image"] == "synthvlm/generation:0.1.0"
    asked: list[Any] = []
    monkeypatch.setattr(weights_command, "source_of", lambda *given: asked.append(given))
    monkeypatch.setattr(weights_command, "fetch", lambda *_: Fetched("", 0, 0, 0))
    for container in (first, second):
        # The credentials of the store, also where the workload itself needs none.
        assert container["envFrom"] == [{"secretRef": {"name": "the-store"}}]
        assert "readOnly" not in container["volumeMounts"][1]
        # What the command line takes, before it fetches anything.
        monkeypatch.setattr(sys, "argv", container["command"][2:])
        assert weights_command.main() == 0
        assert asked[-1][0] == container["command"][3]


def test_weights_from_a_store_are_pinned() -> None:
    def values(**source: str) -> dict[str, Any]:
        return {"weights": {"source": "download", "download": {"sources": [source]}}}

    with pytest.raises(RefusedError, match="give the digest of s3://bucket/clip"):
        render(values(**{"from": "s3://bucket/clip", "to": "clip"}))
    with pytest.raises(RefusedError, match="does not match pattern"):
        render(values(**{"from": "hf:team/model@main", "to": "model"}))
    both = values(**{"from": f"hf:team/model@{'a' * 40}", "to": "model"})
    both["weights"]["download"] |= {"image": "a", "command": ["b"]}
    with pytest.raises(RefusedError, match="sources or a command of yours, not both"):
        render(both)


@pytest.mark.parametrize("source", ["claim", "image", "download"])
def test_weights_come_from_somewhere(source: str) -> None:
    with pytest.raises(RefusedError, match=rf"weights\.{source}: say where the weights come from"):
        render({"weights.source": source})


def test_weights_by_image_need_a_cluster_that_has_them() -> None:
    with pytest.raises(RefusedError, match=r"image volumes need Kubernetes 1\.35"):
        render({"weights": {"source": "image", "image": "a:1"}}, kubernetes="1.34")


def test_shared_memory_is_sized() -> None:
    volumes = template(ALL, "triton").spec["volumes"]
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in volumes


def test_replicas_are_spread_over_zones_and_nodes() -> None:
    for entry in of_kind(ALL, "Deployment", "StatefulSet"):
        (pod,) = templates([entry])
        keys = [spread["topologyKey"] for spread in pod.spec["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_priority_classes_tell_serving_from_jobs() -> None:
    assert template(ALL, "caption").spec["priorityClassName"] == "synthvlm-serving"
    (first, _) = (pod for pod in templates(ALL) if pod.owner["kind"] == "Job"
                  and "engines" in pod.name)  # fmt: skip
    assert first.spec["priorityClassName"] == "synthvlm-batch"
    values = {e["metadata"]["name"]: e["value"] for e in of_kind(ALL, "PriorityClass")}
    assert values["synthvlm-serving"] > values["synthvlm-batch"]
