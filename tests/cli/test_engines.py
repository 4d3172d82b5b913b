"""``synthvlm engines``: exports that agree with PyTorch, sets in a store, and the Job."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from synthvlm.cli import engines
from synthvlm.cli.__main__ import run
from synthvlm.cluster.engine_job import JobRequest, job_manifests, render_job
from synthvlm.generation.config import GenerationSettings, TensorRtSettings
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.tensorrt import identity
from synthvlm.generation.tensorrt.engine_sets import COMPONENTS, FILE
from synthvlm.generation.tensorrt.target import Target, engine_identity
from synthvlm.profiles import load_profile
from synthvlm.serving.settings_sources import load_settings
from synthvlm.storage import Commit, file_uri, open_store

KUBERNETES = ("1.31", "1.35")
GPU = "NVIDIA-H100-80GB-HBM3"
PROFILE = load_profile("single-gpu-tensorrt").sections


# Export


def test_all_components_of_the_bundled_models_agree_with_pytorch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["engines", "export", "--to", str(tmp_path / "onnx"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    components = {one["component"]: one for one in answer["exported"]}
    assert {name.partition("-")[2] for name in components if name.startswith("base")} == {
        *("unet", "vae", "text_encoder", "text_encoder_2")
    }
    assert "refiner-unet" in components
    assert all(one["difference"] <= 1e-3 for one in components.values())
    assert all((tmp_path / "onnx" / f"{name}.onnx").is_file() for name in components)


# What a store has


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one set of engines in its store."""
    settings = GenerationSettings(
        pipeline=PipelineSettings(executor="tensorrt", device="cuda", dtype="float16"),
        tensorrt=TensorRtSettings(store="file:///engines"),
    )
    built_for = engine_identity(settings, Target("11.4.0.106", "9.0", "NVIDIA H100 80GB HBM3"))
    Commit(open_store(file_uri(tmp_path / "store")), built_for.key).finish(
        {"base-vae-0123.plan": b"vae"},
        records=1,
        details={COMPONENTS: {"base-vae": {FILE: "base-vae-0123.plan"}}},
    )
    return tmp_path


def listed(home: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert run(["engines", "list", "--home", str(home), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_the_list_says_what_sets_were_built_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (one,) = listed(home, capsys)
    assert one["configuration"]["sm"] == "9.0"
    assert run(["engines", "list", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    for part in (one["id"][:12], "11.4.0.106", "9.0", "float16"):
        assert part in shown


def test_a_set_is_shown_by_the_beginning_of_its_id(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (one,) = listed(home, capsys)
    assert run(["engines", "show", one["id"][:6], "--home", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == one


def test_a_set_that_is_not_there_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "show", "zz", "--home", str(home)]) == 1
    assert "no sets of engines" in capsys.readouterr().err


def test_an_empty_store_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "list", "--home", str(tmp_path)]) == 0
    assert "no engines in" in capsys.readouterr().out


def test_both_sides_call_the_kind_the_same() -> None:
    assert engines.KIND == identity.KIND


# Building


def test_a_build_without_what_it_needs_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # No machine of the tests has a GPU and TensorRT.
    assert run(["engines", "build", "--home", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the Python package tensorrt, version 11" in line


# The Job


def request(**changes: Any) -> JobRequest:
    given = {"gpu": GPU, "image": "registry/synthvlm:1", "store": "s3://bucket/prefix"}
    return JobRequest(**{**given, "profile": PROFILE, **changes})


REQUESTS = {
    "plain": request(),
    "full": request(
        namespace="images", models_claim="models", service_account="builder", credentials="s3"
    ),
}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", REQUESTS)
def test_the_manifests_are_valid(name: str, version: str) -> None:
    for manifest in job_manifests(REQUESTS[name]):
        assert kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_would_be_seen() -> None:
    _, job = job_manifests(request())
    job["spec"]["template"]["spec"]["nodeSelektor"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, KUBERNETES[0], strict=True)


def pod(one: JobRequest) -> dict[str, Any]:
    spec: dict[str, Any] = job_manifests(one)[1]["spec"]["template"]["spec"]
    return spec


def test_the_job_runs_on_the_product_with_one_gpu_and_without_rights() -> None:
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
    text = render_job(REQUESTS["full"])
    assert {document["kind"] for document in yaml.safe_load_all(text)} == {"ConfigMap", "Job"}
    assert pod(REQUESTS["full"])["containers"][0]["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert "secret" not in render_job(REQUESTS["plain"]).lower()


def test_the_job_builds_what_a_server_of_the_profile_needs(tmp_path: Path) -> None:
    config, job = job_manifests(request())
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
        request(profile={"generation": {**PROFILE["generation"], "steps": 20}}),
    ]
    names = [job_manifests(one)[1]["metadata"]["name"] for one in others]
    assert len(set(names)) == len(names)
    assert names[0] == job_manifests(request())[1]["metadata"]["name"]
    assert all(re.fullmatch(r"[a-z0-9-]{1,63}", name) for name in names)


def test_the_command_prints_the_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "job", "--gpu", GPU, "--store", "s3://bucket/prefix"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [one["kind"] for one in printed] == ["ConfigMap", "Job"]
    assert printed[1]["spec"]["template"]["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": GPU}
