"""The compiled pipeline: unchanged, complete, and free of what ``kfp.local`` gets wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.compiler import Compiler
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec import pipeline_spec_pb2

from synthvlm.errors import InvalidInput
from synthvlm.profiles import profile_names
from synthvlm_pipelines.requests import StageRequests
from synthvlm_pipelines.runs.dataset_run import dataset_run
from synthvlm_pipelines.settings import IMAGE, JOB_IMAGES, PipelineSettings, pipeline_settings

GOLDEN = Path(__file__).parent / "golden"
"""Regenerate them with ``python -m synthvlm_pipelines compile --out tests/pipelines/golden``."""


PIPELINES = (
    "dataset-run",
    "selection-run",
    "publication-run",
    "synthesis-run",
    "rescoring-run",
    "training-run",
    "ablation-run",
)


def compiled(folder: Path) -> Path:
    command = [sys.executable, "-m", "synthvlm_pipelines", "compile", "--out", str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.split() == [str(folder / f"{name}.yaml") for name in PIPELINES]
    return folder


def documents(path: Path) -> list[dict[str, Any]]:
    """What was compiled: the PipelineSpec and the PlatformSpec."""
    pipeline, platform = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
    pipeline["sdkVersion"] = ""
    return [pipeline, platform]


def parsed(path: Path) -> pipeline_spec_pb2.PipelineSpec:
    message = pipeline_spec_pb2.PipelineSpec()
    json_format.ParseDict(documents(path)[0], message)
    return message


def pods(path: Path) -> dict[str, KubernetesExecutorConfig]:
    """How each step's pod is configured, by the step's component."""
    message = pipeline_spec_pb2.PlatformSpec()
    json_format.ParseDict(documents(path)[1], message)
    executors = message.platforms["kubernetes"].deployment_spec.executors
    return {
        name.removeprefix("exec-"): json_format.ParseDict(
            json_format.MessageToDict(config), KubernetesExecutorConfig()
        )
        for name, config in executors.items()
    }


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("ir"))


@pytest.fixture(scope="module")
def spec(ir: Path) -> pipeline_spec_pb2.PipelineSpec:
    return parsed(ir / "dataset-run.yaml")


@pytest.mark.parametrize("name", PIPELINES)
def test_the_pipeline_is_the_golden_one(ir: Path, name: str) -> None:
    file = f"{name}.yaml"
    assert documents(ir / file) == documents(GOLDEN / file)


def test_a_selection_run_is_a_dataset_run_that_ends_earlier(ir: Path) -> None:
    whole, first = (
        documents(ir / f"{name}.yaml")[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
        for name in PIPELINES[:2]
    )
    later = {"assemble", "condition-3"}  # training and evaluation
    assert {name: task for name, task in whole.items() if name not in later} == first


def test_compiling_twice_gives_the_same_bytes(ir: Path, tmp_path: Path) -> None:
    again = compiled(tmp_path / "again")
    for name in PIPELINES:
        assert (again / f"{name}.yaml").read_bytes() == (ir / f"{name}.yaml").read_bytes()


def dags(
    spec: pipeline_spec_pb2.PipelineSpec,
) -> list[tuple[str, pipeline_spec_pb2.ComponentSpec]]:
    nested = [(n, c) for n, c in spec.components.items() if c.WhichOneof("implementation") == "dag"]
    return [("root", spec.root), *nested]


@pytest.mark.parametrize("run", PIPELINES)
def test_every_reference_is_resolved(ir: Path, run: str) -> None:
    spec = parsed(ir / f"{run}.yaml")
    executors = spec.deployment_spec["executors"]
    for name, component in spec.components.items():
        if component.WhichOneof("implementation") == "executor_label":
            assert component.executor_label in executors, name
    assert pods(ir / f"{run}.yaml").keys() == {name.removeprefix("exec-") for name in executors}
    for name, component in dags(spec):
        tasks = component.dag.tasks
        for task_name, task in tasks.items():
            where = f"{name}/{task_name}"
            inputs = spec.components[task.component_ref.name].input_definitions.parameters
            assert set(task.inputs.parameters) <= set(inputs), where
            assert set(task.dependent_tasks) <= set(tasks), where
            required = {key for key, value in inputs.items() if not value.is_optional}
            loop_item = task.parameter_iterator.item_input
            assert required <= {*task.inputs.parameters, loop_item}, where
            for source in task.inputs.parameters.values():
                resolve(spec, component, source, where)
        for key, output in component.dag.outputs.parameters.items():
            selected = output.value_from_parameter
            producer = spec.components[tasks[selected.producer_subtask].component_ref.name]
            assert selected.output_parameter_key in producer.output_definitions.parameters, key


def resolve(
    spec: pipeline_spec_pb2.PipelineSpec,
    component: pipeline_spec_pb2.ComponentSpec,
    source: Any,
    where: str,
) -> None:
    kind = source.WhichOneof("kind")
    if kind == "task_output_parameter":
        task = component.dag.tasks[source.task_output_parameter.producer_task]
        outputs = spec.components[task.component_ref.name].output_definitions.parameters
        assert source.task_output_parameter.output_parameter_key in outputs, where
    elif kind == "task_final_status":
        assert source.task_final_status.producer_task in component.dag.tasks, where
    elif kind != "runtime_value":
        assert kind == "component_input_parameter", where
        assert source.component_input_parameter in component.input_definitions.parameters, where


LOOPS = {
    "dataset-run": 1,
    "selection-run": 1,
    "publication-run": 0,
    "synthesis-run": 1,
    "rescoring-run": 1,
    "training-run": 0,
    "ablation-run": 1,
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_loop_takes_no_other_steps_output_and_has_a_limit(ir: Path, name: str) -> None:
    """``kfp.local`` would replace each of them by the loop's item."""
    components = dags(parsed(ir / f"{name}.yaml"))
    loops = [t for _, c in components for t in c.dag.tasks.values() if t.WhichOneof("iterator")]
    assert len(loops) == LOOPS[name]
    for loop in loops:
        from_tasks = [
            key
            for key, source in loop.inputs.parameters.items()
            if source.WhichOneof("kind") == "task_output_parameter"
        ]
        assert from_tasks == [loop.parameter_iterator.items.input_parameter]
        assert loop.iterator_policy.parallelism_limit == PipelineSettings().parallelism


@pytest.mark.parametrize("name", PIPELINES)
def test_every_run_ends_with_its_report(ir: Path, name: str) -> None:
    tasks = parsed(ir / f"{name}.yaml").root.dag.tasks
    strategy = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.TriggerStrategy
    report = tasks["report"]
    assert set(tasks) == {"report", "exit-handler-1"}
    assert report.trigger_policy.strategy == strategy.ALL_UPSTREAM_TASKS_COMPLETED
    status = report.inputs.parameters["status"].task_final_status
    assert status.producer_task == "exit-handler-1"
    assert not report.caching_options.enable_cache
    for key in ("run_name", "store_uri", "resume_command"):
        assert report.inputs.parameters[key].component_input_parameter == key


def test_steps_run_the_given_image_and_install_nothing(
    spec: pipeline_spec_pb2.PipelineSpec,
) -> None:
    executors = json_format.MessageToDict(spec.deployment_spec)["executors"]
    assert len(executors) == 9
    images = {"exec-train": JOB_IMAGES["training"], "exec-evaluate": JOB_IMAGES["evaluation"]}
    for label, executor in executors.items():
        assert executor["container"]["image"] == images.get(label, IMAGE)
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_digests_and_the_version_are_arguments_that_the_cache_sees(
    spec: pipeline_spec_pb2.PipelineSpec,
) -> None:
    arguments = {n: set(c.input_definitions.parameters) for n, c in spec.components.items()}
    assert "caption_file_digests" in arguments["comp-import-captions"]
    steps = [name for name, c in spec.components.items() if c.executor_label]
    # The models' digests are in the requests. The report's step is never cached.
    cached = [name for name in steps if name != "comp-report"]
    assert all({"request", "code_version"} <= arguments[name] for name in cached)
    assert not spec.root.dag.tasks["report"].caching_options.enable_cache


def test_the_pipeline_has_one_request_a_stage_and_no_parameter_of_its_own(
    spec: pipeline_spec_pb2.PipelineSpec,
) -> None:
    assert set(spec.root.input_definitions.parameters) == {
        *(f"{word}_address" for word in ("caption", "generation", "alignment", "dataset")),
        *StageRequests().arguments(),
        "caption_file_digests",
        "code_version",
        *("run_name", "store_uri", "profile", "prices", "resume_command"),
    }


POOL = {"accelerator": "h100", "zone": "a"}
TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
SECTION: dict[str, Any] = {
    "image": "registry.example/pipelines:2",
    "parallelism": 4,
    "retries": 3,
    "retry_seconds": 60,
    "timeout_seconds": 7200,
    "nodes": {
        "default": {"cpu_request": "250m", "memory_limit": "2Gi", "queue": "steps"},
        "training": {
            "node_selector": POOL,
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "gpus": 8,
            "image": "registry.example/training:2",
            "labels": {"team": "vision"},
            "queue": "gpus",
            "priority": "batch",
            "timeout_seconds": 600_000,
        },
    },
    "environment": {"SYNTHVLM_STEP_TOKEN_FILE": "/run/secrets/token/token"},
    "secret_files": {"synthvlm-token": "/run/secrets/token"},
    "secret_environment": {"store-keys": ["AWS_ACCESS_KEY_ID"]},
}


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset run, compiled with a profile that says where its steps run."""
    folder = tmp_path_factory.mktemp("placed")
    profile = folder / "placed.yaml"
    profile.write_text(yaml.safe_dump({"pipelines": SECTION}))
    target = folder / "dataset-run.yaml"
    Compiler().compile(dataset_run(pipeline_settings(str(profile))), str(target))
    return target


def test_pods_run_where_the_profile_says(placed: Path) -> None:
    config = pods(placed)
    train, select = config["train"], config["select"]
    assert dict(train.node_selector.labels) == POOL
    (toleration,) = train.tolerations
    assert (toleration.key, toleration.operator) == ("nvidia.com/gpu", "Exists")
    assert toleration.effect == "NoSchedule"
    assert dict(train.pod_metadata.labels) == {
        "team": "vision",
        "synthvlm.io/client": "true",
        "kueue.x-k8s.io/queue-name": "gpus",
        "kueue.x-k8s.io/priority-class": "batch",
    }
    assert train.active_deadline_seconds == 600_000
    assert not select.node_selector.labels
    assert not select.tolerations
    assert dict(select.pod_metadata.labels) == {
        "synthvlm.io/client": "true",
        "kueue.x-k8s.io/queue-name": "steps",
    }
    assert select.active_deadline_seconds == 7200


def test_steps_get_the_images_and_resources_of_the_profile(placed: Path) -> None:
    executors = documents(placed)[0]["deploymentSpec"]["executors"]
    images = {name.removeprefix("exec-"): e["container"]["image"] for name, e in executors.items()}
    assert images.pop("train") == "registry.example/training:2"
    assert images.pop("evaluate") == JOB_IMAGES["evaluation"]
    assert set(images.values()) == {"registry.example/pipelines:2"}
    train, select = (
        executors[f"exec-{name}"]["container"]["resources"] for name in ("train", "select")
    )
    assert train["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert train["accelerator"]["resourceCount"] == "8"
    assert select["resourceCpuRequest"] == "250m"
    assert select["resourceMemoryLimit"] == "2Gi"
    assert "accelerator" not in select


def test_steps_are_tried_again_and_know_their_run_and_their_secrets(placed: Path) -> None:
    spec = parsed(placed)
    tasks = {name: t for _, c in dags(spec) for name, t in c.dag.tasks.items()}
    for name in ("generate", "train", "report"):
        policy = tasks[name].retry_policy
        assert (policy.max_retry_count, policy.backoff_duration.seconds) == (3, 60)
    for config in pods(placed).values():
        (run_id,) = config.field_path_as_env
        assert (run_id.name, run_id.field_path) == (
            "SYNTHVLM_STEP_RUN_ID",
            "metadata.labels['pipeline/runid']",
        )
        assert config.secret_as_volume[0].mount_path == "/run/secrets/token"
        (key,) = config.secret_as_env[0].key_to_env
        assert (key.secret_key, key.env_var) == ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID")
    for executor in documents(placed)[0]["deploymentSpec"]["executors"].values():
        (variable,) = executor["container"]["env"]
        assert variable["name"] == "SYNTHVLM_STEP_TOKEN_FILE"


def test_the_environment_comes_before_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's ConfigMap is the environment in which a release's pipelines are compiled."""
    monkeypatch.setenv("SYNTHVLM_PIPELINES_IMAGE", "registry.example/p@sha256:" + "0" * 64)
    monkeypatch.setenv("SYNTHVLM_PIPELINES_NODES", '{"training": {"queue": "night"}}')
    settings = pipeline_settings("7b")
    assert settings.image.endswith("0" * 64)
    assert settings.pool("train").queue == "night"


def test_a_step_whose_job_trainer_runs_needs_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = {"namespace": "images", "training": {"runtime": "synthvlm-node"}}
    monkeypatch.setenv("SYNTHVLM_PIPELINES_TRAINER", json.dumps(trainer))
    profile, target = tmp_path / "placed.yaml", tmp_path / "dataset-run.yaml"
    profile.write_text(yaml.safe_dump({"pipelines": SECTION}))
    Compiler().compile(dataset_run(pipeline_settings(str(profile))), str(target))
    containers = {
        name.removeprefix("exec-"): executor["container"]
        for name, executor in documents(target)[0]["deploymentSpec"]["executors"].items()
    }
    told = {"name": "SYNTHVLM_TRAINER", "value": json.dumps(trainer, separators=(",", ":"))}
    assert {name for name, one in containers.items() if told in one["env"]} == {
        *("train", "evaluate", "report")
    }
    assert "accelerator" not in containers["train"]["resources"]
    assert containers["train"]["image"] == SECTION["image"]
    train = pods(target)["train"]
    assert not train.node_selector.labels
    assert train.active_deadline_seconds == 600_000
    monkeypatch.setenv("SYNTHVLM_PIPELINES_TRAINER", '{"namespace": "images", "queues": "a"}')
    with pytest.raises(InvalidInput, match=r"pipelines\.trainer\.queues"):
        pipeline_settings("7b")


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_says_where_steps_run(name: str) -> None:
    settings = pipeline_settings(name)
    assert settings.pool("generate").gpus == 0  # its service has them
    assert settings.pool("train").gpus == (8 if name in ("7b", "13b") else 0)


def test_a_misspelt_setting_is_refused_by_its_name(tmp_path: Path) -> None:
    profile = tmp_path / "wrong.yaml"
    profile.write_text("pipelines: {nodes: {training: {gpu: 1}}}")
    with pytest.raises(InvalidInput, match=r"pipelines\.nodes\.training\.gpu"):
        pipeline_settings(str(profile))
