"""Compiled pipelines as a server takes them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.submission.packages import Package, compiled, read_package
from synthvlm.submission.placement import Placement, Pool, placed
from tests.submission.conftest import GOLDEN

PLACEMENT = Placement(
    queue="batch",
    priority="nightly",
    pool=Pool({"spot": "true"}, ({"key": "spot", "operator": "Exists", "effect": "NoSchedule"},)),
    environment={"SYNTHVLM_STEP_TOKEN_FILE": "/run/secrets/token/token"},
    secrets={"/run/secrets/token": "synthvlm-token"},
)


def package(**executor: Any) -> Package:
    return Package(
        {
            "pipelineInfo": {"name": "p"},
            "root": {
                "inputDefinitions": {"parameters": {"needed": {}, "optional": {"isOptional": True}}}
            },
            "deploymentSpec": {
                "executors": {"exec-a": {"container": {"image": "i"}}, "exec-b": {"importer": {}}}
            },
        },
        {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-a": executor}}}}}
        if executor
        else {},
    )


def configured(of: Package) -> dict[str, Any]:
    executors: dict[str, Any] = of.platforms["platforms"]["kubernetes"]["deploymentSpec"][
        "executors"
    ]
    return executors


@pytest.mark.parametrize("name", ["dataset-run", "selection-run", "publication-run"])
def test_what_is_uploaded_is_valid_and_always_the_same(tmp_path: Path, name: str) -> None:
    one = placed(read_package(GOLDEN, name), PLACEMENT)
    assert one.digest() == placed(read_package(GOLDEN, name), PLACEMENT).digest()
    (tmp_path / f"{name}.yaml").write_text(one.text())
    again = read_package(tmp_path, name)
    json_format.ParseDict(again.spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(again.platforms, pipeline_spec_pb2.PlatformSpec())
    for executor in configured(again).values():
        message = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        json_format.ParseDict(executor, message)
        assert message.pod_metadata.labels["kueue.x-k8s.io/queue-name"] == "batch"
        assert message.secret_as_volume[-1].mount_path == "/run/secrets/token"
        (field,) = [one for one in message.field_path_as_env if one.name == "SYNTHVLM_STEP_RUN_ID"]
        assert field.field_path == "metadata.labels['pipeline/runid']"


def test_what_the_pipeline_says_itself_stays() -> None:
    said = package(
        podMetadata={"labels": {"kueue.x-k8s.io/queue-name": "own"}},
        nodeSelector={"labels": {"spot": "no", "zone": "a"}},
        tolerations=[{"key": "gpu"}],
        secretAsVolume=[{"secretName": "own", "mountPath": "/run/secrets/token"}],
        fieldPathAsEnv=[{"name": "SYNTHVLM_STEP_RUN_ID", "fieldPath": "metadata.name"}],
    )
    before = said.text()
    one = configured(placed(said, PLACEMENT))["exec-a"]
    assert one["podMetadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "own"
    assert one["nodeSelector"]["labels"] == {"spot": "no", "zone": "a"}
    assert [toleration["key"] for toleration in one["tolerations"]] == ["gpu", "spot"]
    assert [secret["secretName"] for secret in one["secretAsVolume"]] == ["own"]
    assert len(one["fieldPathAsEnv"]) == 1
    assert said.text() == before, "the package itself is not changed"


def test_what_has_no_pod_is_not_placed() -> None:
    assert set(configured(placed(package(), PLACEMENT))) == {"exec-a"}


def test_arguments_are_those_that_the_pipeline_takes() -> None:
    assert package().accepted({"needed": 1, "other": 2}) == {"needed": 1}
    with pytest.raises(PreconditionFailed, match="the pipeline p needs needed"):
        package().accepted({"optional": 1})


NOT_PIPELINES = ["", "- 1", "{a: 1}", "pipelineInfo: {name: x}\n---\nb: 1"]


@pytest.mark.parametrize("text", NOT_PIPELINES)
def test_what_is_not_a_compiled_pipeline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InvalidInput):
        read_package(tmp_path, "p")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_package(tmp_path, "absent")


def test_pipelines_are_compiled_for_the_image_of_the_release_and_by_the_profile(
    tmp_path: Path,
) -> None:
    profile = tmp_path / "mine.yaml"
    section = {"image": "registry/profile:1", "nodes": {"default": {"cpu_request": "250m"}}}
    profile.write_text(yaml.safe_dump({"pipelines": section}))
    environment = {"SYNTHVLM_PIPELINES_IMAGE": "registry/x:1"}
    one = compiled("publication-run", tmp_path, environment, str(profile))
    containers = [executor["container"] for executor in one.executors.values()]
    assert {container["image"] for container in containers} == {"registry/x:1"}
    assert {one["resources"]["resourceCpuRequest"] for one in containers} == {"250m"}
    assert one.name == "publication-run"
    assert yaml.safe_load(one.text().split("\n---")[0])
