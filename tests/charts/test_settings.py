"""The settings that the chart renders are those that the services read."""

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format, message_factory

from charts.derive import DECIDED, settings_of
from synthvlm.cluster.train_job import FORMS
from synthvlm.cluster.trainer_job import TrainerJob
from synthvlm.cluster.trainer_settings import TrainerSettings
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.triton.config import TritonServerSettings
from synthvlm.jobs.asked import REQUEST_VARIABLE
from synthvlm.local.words import RUN
from synthvlm.serving.settings import ServiceSettings
from synthvlm.serving.settings_sources import load_settings, read_command_line
from synthvlm_pipelines.connection import ConnectionSettings
from synthvlm_pipelines.settings import pipeline_settings
from tests.charts.conformance import problem
from tests.charts.objects import named, of_kind, template, templates, texts
from tests.charts.rendering import (
    CHART,
    CLAIM,
    CONFIGURATIONS,
    EVERYTHING,
    NEWEST,
    RefusedError,
    configuration,
    render,
)
from tests.contracts.words import ROOT, SERVICES, declared

ALL = configuration("everything")
TRAINER_KEY = "SYNTHVLM_PIPELINES_TRAINER"


def load(name: str, word: str, model: type[ServiceSettings], folder: Path) -> Any:
    file = folder / "settings.yaml"
    entry = next(
        entry
        for entry in of_kind(configuration(name), "ConfigMap")
        if entry["metadata"]["name"].endswith(f"-{word}")
    )
    file.write_text(entry["data"]["settings.yaml"], encoding="utf-8")
    return load_settings(model, "generation" if word == "triton" else word, config=file)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_service_accepts_its_settings(name: str, tmp_path: Path) -> None:
    for entry in of_kind(configuration(name), "Deployment"):
        word = entry["metadata"]["name"].rpartition("-")[2]
        if word not in SERVICES:
            continue
        settings = load(name, word, settings_of(word), tmp_path)
        assert settings.listen == "0.0.0.0:50051"
        assert settings.health_listen == "0.0.0.0:50052"
        assert settings.metrics_listen == "0.0.0.0:9090"
        assert len(settings.store_roots) == 1


@pytest.mark.parametrize("name", ["everything", "cluster", "weights-download"])
def test_service_and_triton_servers_hold_the_same_model(name: str, tmp_path: Path) -> None:
    service = load(name, "generation", GenerationSettings, tmp_path)
    server = load(name, "triton", TritonServerSettings, tmp_path)
    assert server.listen == "0.0.0.0:8001"
    own = {*ServiceSettings.model_fields, "engine"}
    shared = set(GenerationSettings.model_fields) - own
    excluded = {"triton": {"endpoints", "tls_ca_file", "tls_certificate_file", "tls_key_file"}}
    assert server.model_dump(include=shared, exclude=excluded) == service.model_dump(
        include=shared, exclude=excluded
    )


def test_settings_name_the_files_that_are_mounted(tmp_path: Path) -> None:
    settings = load("everything", "dataset", settings_of("dataset"), tmp_path)
    mounts = {m["mountPath"] for m in template(ALL, "dataset").container["volumeMounts"]}
    files = [value for value in settings.model_dump().values() if isinstance(value, Path)]
    assert len(files) == 5
    assert {str(file.parent) for file in files} <= mounts
    assert settings.otlp_endpoint == "http://collector:4317"


def test_captions_are_read_from_the_store_alone(tmp_path: Path) -> None:
    """The profiles are for a user's own machine, and let caption read any file there."""
    assert load("mini", "caption", settings_of("caption"), tmp_path).caption_roots == []


@pytest.mark.parametrize("word", SERVICES)
def test_what_the_chart_decides_is_a_setting(word: str) -> None:
    shared = DECIDED - {"database", "database_password_file"}
    assert shared <= set(settings_of(word).model_fields)


@pytest.mark.parametrize("word", [*SERVICES, "triton"])
def test_the_command_starts_the_service(word: str) -> None:
    python, option, module, *arguments = template(ALL, word).container["command"]
    assert (python, option) == ("python3", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    model = TritonServerSettings if word == "triton" else settings_of(word)
    assert str(read_command_line(model, word, arguments).config) == "/etc/synthvlm/settings.yaml"


def test_an_engine_job_builds_what_the_service_waits_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (job, _) = (pod for pod in templates(ALL) if "engines" in pod.name)
    for entry in job.container["env"]:
        if entry["name"].startswith("SYNTHVLM_"):
            monkeypatch.setenv(entry["name"], entry["value"])
    built = load_settings(GenerationSettings, "generation", command_line={"profile": "mini"})
    for variable in [name for name in os.environ if name.startswith("SYNTHVLM_GENERATION_")]:
        monkeypatch.delenv(variable)
    wanted = load("everything", "generation", GenerationSettings, tmp_path)
    fields = {"pipeline", "max_pixels", "batch_size", "drain_seconds"}
    assert built.model_dump(include=fields) == wanted.model_dump(include=fields)
    command = job.container["command"]
    assert command[command.index("--store") + 1] == wanted.tensorrt.store


@pytest.mark.parametrize("word", SERVICES)
def test_helm_test_makes_a_call_that_the_service_has(word: str) -> None:
    container = template(ALL, f"test-{word}").container
    text = container["command"][2]
    (request,) = (e["value"] for e in container["env"] if e["name"] == "REQUEST")
    (method,) = (m for m in declared(word).methods if f" {m.name} " in text)
    json_format.Parse(request, message_factory.GetMessageClass(method.input_type)())
    address = named(ALL, "ConfigMap", "synthvlm-pipelines")["data"][f"{word}_address"]
    assert f" {address} " in text
    assert "envFrom" not in container
    for option in ("--token-file", "--ca-file", "--certificate-file", "--key-file"):
        assert f" {option} /run/secrets/" in text


def test_pipelines_get_arguments_and_variables_that_they_have() -> None:
    source = (ROOT / "pipelines/synthvlm_pipelines/runs/dataset_run.py").read_text(encoding="utf-8")
    parameters = set(re.findall(r"^ +(\w+): ", source, re.M))
    data = named(ALL, "ConfigMap", "synthvlm-pipelines")["data"]
    assert {f"{word}_address" for word in RUN} <= parameters & data.keys()
    assert data["store_uri"] == "s3://bucket/prefix"
    variables = {key for key in data if key.startswith("SYNTHVLM_STEP_")}
    fields = {f"SYNTHVLM_STEP_{name.upper()}" for name in ConnectionSettings.model_fields}
    assert variables == fields - {"SYNTHVLM_STEP_RUN_ID"}
    assert data["SYNTHVLM_PIPELINES_IMAGE"] == "registry.example.com/team/synthvlm/pipelines:0.1.0"
    assert data["tls_secret"] == "synthvlm-client-tls"
    assert set(json.loads(data["images"])) == set(SERVICES)
    assert json.loads(data["pools"])["gpu"]["resource"] == "nvidia.com/gpu"


def test_the_configmap_is_the_environment_that_a_release_s_pipelines_are_compiled_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = {
        "default": {"pool": "cpu", "cpu_request": 1},
        "training": {"pool": "gpu", "gpus": 8, "queue": "gpus", "priority": "batch"},
    }
    rendered = render({**EVERYTHING, "pipelines": {"nodes": nodes}})
    data = named(rendered, "ConfigMap", "synthvlm-pipelines")["data"]
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    settings = pipeline_settings()
    assert settings.image == data["SYNTHVLM_PIPELINES_IMAGE"]
    assert settings.pool("curate").cpu_request == "1"
    assert settings.job_images == {
        job: f"registry.example.com/team/synthvlm/{job}:0.1.0" for job in ("training", "evaluation")
    }
    assert settings.trainer is not None
    assert settings.pool("train").gpus == 0, "the step waits for a job that has GPUs"
    monkeypatch.delenv(TRAINER_KEY)
    training = pipeline_settings().pool("train")
    assert (training.gpus, training.gpu_resource) == (8, "nvidia.com/gpu")
    assert (training.queue, training.priority) == ("gpus", "batch")
    assert [taint.key for taint in training.tolerations] == ["nvidia.com/gpu"]
    assert settings.environment["SYNTHVLM_STEP_TOKEN_FILE"] == "/run/secrets/token/token"
    assert settings.environment["SYNTHVLM_STEP_CA_FILE"] == "/run/secrets/tls/ca.crt"
    assert settings.environment.items() >= EVERYTHING["store"]["env"].items()
    assert settings.secret_files == {
        EVERYTHING["auth"]["tokenSecret"]: "/run/secrets/token",
        "synthvlm-client-tls": "/run/secrets/tls",
    }
    keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert settings.secret_environment == {EVERYTHING["store"]["credentialsSecret"]: keys}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"pool": "absent"}, 'there is no pool "absent"'),
        ({"pool": "cpu", "gpus": 1}, 'the pool "cpu" has no GPU resource'),
    ],
)
def test_steps_on_nodes_that_are_not_there_are_refused(node: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        render({"pipelines": {"nodes": {"training": node}}})


def test_images_by_name_tag_and_digest() -> None:
    pods = {pod.name: pod for pod in templates(configuration("named-images"))}
    assert pods["Deployment/other-caption"].container["image"] == f"team/caption@sha256:{'0' * 64}"
    assert pods["Deployment/other-dataset"].container["image"] == "synthvlm/dataset:2"
    assert pods["Job/other-migration"].container["image"] == "synthvlm/dataset:2"
    pulled = render({"images.pullSecrets": ["a", "b"]})
    secrets = template(pulled, "caption").spec["imagePullSecrets"]
    assert secrets == [{"name": "a"}, {"name": "b"}]


def test_the_chart_is_of_the_package_s_version() -> None:
    from synthvlm import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__


TRAINER_APIS = {
    "TrainJob": "trainer.kubeflow.org/v1alpha1/ClusterTrainingRuntime",
    "PyTorchJob": "kubeflow.org/v1/PyTorchJob",
}


def told_to_trainer(objects: Any) -> TrainerSettings:
    """The settings of the steps that run jobs by Trainer."""
    data = named(objects, "ConfigMap", "synthvlm-pipelines")["data"]
    return TrainerSettings.model_validate_json(data[TRAINER_KEY])


@pytest.mark.parametrize("kind", TRAINER_APIS)
def test_the_jobs_of_steps_are_what_trainer_s_api_allows(kind: str) -> None:
    values = {
        "training": {
            "enabled": True,
            "kind": kind,
            "runtimes": {"single": {"nodes": 1, "gpus": 1}, "pair": {"nodes": 2, "gpus": 8}},
            "runtime": "pair",
            "graceSeconds": 300,
            "priority": "research",
        },
        "kueue": {"enabled": True, "create": False},
        "priorityClasses": {"create": True},
        "weights": CLAIM,
    }
    objects = render(values, apis=(TRAINER_APIS[kind],))
    settings = told_to_trainer(objects)
    assert (settings.namespace, settings.queue) == ("images", "synthvlm-batch")
    assert (settings.grace_seconds, settings.priority) == (300, "research")
    runtimes = {one["metadata"]["name"] for one in of_kind(objects, "ClusterTrainingRuntime")}
    made = {}
    for work in ("training", "evaluation"):
        shape = getattr(settings, work)
        assert shape.runtime is None or shape.runtime in runtimes
        job = TrainerJob(work, "demo", ("python3",), {"store": "s3://b"}, shape, settings)
        made[work] = FORMS[kind].manifest(job)
        assert problem(made[work], NEWEST) == ""
        (image,) = {one for one in texts(made[work]) if one.startswith("synthvlm/")} or {""}
        own = "" if kind == "TrainJob" and work == "training" else f"synthvlm/{work}:0.1.0"
        assert image == own
    assert settings.training is not None
    assert (settings.training.nodes, settings.training.processes_per_node) == (2, 8)
    if kind == "PyTorchJob":
        master = made["training"]["spec"]["pytorchReplicaSpecs"]["Master"]["template"]
        assert master["spec"]["priorityClassName"] == "synthvlm-batch"
        assert master["metadata"]["labels"]["app.kubernetes.io/component"] == "training"
        (container,) = master["spec"]["containers"]
        assert REQUEST_VARIABLE in [one["name"] for one in container["env"]]
        assert "weights" in [one["name"] for one in container["volumeMounts"]]


def test_jobs_run_in_their_steps_where_the_chart_is_told_nothing_else() -> None:
    data = named(configuration("mini"), "ConfigMap", "synthvlm-pipelines")["data"]
    assert TRAINER_KEY not in data
    training = {"enabled": True, "evaluation": {"runtime": ""}}
    assert told_to_trainer(render({"training": training})).evaluation is None
    with pytest.raises(RefusedError, match=r'training\.runtime: "big" is not one of'):
        render({"training": {"enabled": True, "runtime": "big"}})
