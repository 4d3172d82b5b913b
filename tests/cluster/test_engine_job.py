"""The Job that builds engines: valid, without privileges or secrets, and for what servers need."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from synthvlm.cluster.engine_job import EngineJob
from synthvlm.cluster.objects import as_yaml
from synthvlm.errors import InvalidInput
from synthvlm.generation.config import GenerationSettings
from synthvlm.profiles import load_profile
from synthvlm.serving.settings_sources import load_settings

KUBERNETES = ("1.31", "1.35")
GPU = "NVIDIA-H100-80GB-HBM3"
GENERATION = load_profile("single-gpu-tensorrt").section("generation")


def request(**changes: Any) -> EngineJob:
    given = {"gpu": GPU, "image": "registry/synthvlm:1", "store": "s3://bucket/prefix"}
    return EngineJob(**{**given, "generation": GENERATION, **changes})


def manifests(job: EngineJob) -> list[dict[str, Any]]:
    """The objects as Kubernetes gets them."""
    return list(yaml.safe_load_all(as_yaml(job.objects())))


REQUESTS = {
    "plain": request(),
    "full": request(
        namespace="images", models_claim="models", service_account="builder", credentials="s3"
    ),
}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", REQUESTS)
def test_the_manifests_are_valid(name: str, version: str) -> None:
    for manifest in manifests(REQUESTS[name]):
        assert kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_would_be_seen() -> None:
    _, job = manifests(request())
    job["spec"]["template"]["spec"]["nodeSelektor"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, KUBERNETES[0], strict=True)


def pod(one: EngineJob) -> dict[str, Any]:
    spec: dict[str, Any] = manifests(one)[1]["spec"]["template"]["spec"]
    return spec


def test_the_job_runs_on_the_product_with_one_gpu_and_without_privileges() -> None:
    spec = pod(request())
    (container,) = spec["containers"]
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": GPU}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_every_mount_has_its_volume() -> None:
    for one in REQUESTS.values():
        spec = pod(one)
        names = [volume["name"] for volume in spec["volumes"]]
        mounts = [mount["name"] for mount in spec["containers"][0]["volumeMounts"]]
        assert sorted(names) == sorted(mounts)


def test_secrets_are_named_and_never_shown() -> None:
    text = as_yaml(REQUESTS["full"].objects())
    assert {document["kind"] for document in yaml.safe_load_all(text)} == {"ConfigMap", "Job"}
    assert pod(REQUESTS["full"])["containers"][0]["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert "secret" not in as_yaml(REQUESTS["plain"].objects()).lower()


def test_the_job_builds_what_a_server_of_the_profile_needs(tmp_path: Path) -> None:
    config, job = manifests(request())
    (file,) = config["data"]
    (tmp_path / file).write_text(config["data"][file])
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert Path(arguments[arguments.index("--profile") + 1]).name == file
    settings = {
        name: load_settings(GenerationSettings, "generation", command_line={"profile": profile})
        for name, profile in {"job": str(tmp_path / file), "server": "single-gpu-tensorrt"}.items()
    }
    assert settings["job"].model_copy(update={"profile": ""}) == settings["server"].model_copy(
        update={"profile": ""}
    )


def test_jobs_for_different_things_have_different_names() -> None:
    others = [
        request(),
        request(gpu="NVIDIA-L4"),
        request(store="s3://other"),
        request(generation={**GENERATION, "steps": 20}),
    ]
    names = [manifests(one)[1]["metadata"]["name"] for one in others]
    assert len(set(names)) == len(names)
    assert names[0] == manifests(request())[1]["metadata"]["name"]
    assert all(re.fullmatch(r"[a-z0-9-]{1,63}", name) for name in names)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"gpu": "an L4"}, "'an L4' is not a value of the label nvidia.com/gpu.product"),
        ({"store": "file:///engines"}, "is on this machine"),
        ({"generation": {"device": "cpu"}}, "the profile computes on cpu"),
        ({"namespace": "A"}, "the namespace 'A' is not a valid name"),
        ({"credentials": "s3 keys"}, "the secret 's3 keys' is not a valid name"),
    ],
)
def test_a_job_that_cannot_run_is_rejected(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(problem)):
        request(**changes)
