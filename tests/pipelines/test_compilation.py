"""The compiled pipeline: unchanged, complete, and free of what ``kfp.local`` gets wrong."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from synthvlm_pipelines.requests import StageRequests
from synthvlm_pipelines.settings import IMAGE

GOLDEN = Path(__file__).parent / "golden" / "dataset-run.yaml"
"""Regenerate it with ``python -m synthvlm_pipelines compile --out tests/pipelines/golden``."""


PIPELINES = ("dataset-run", "selection-run", "publication-run")


def compiled(folder: Path) -> Path:
    command = [sys.executable, "-m", "synthvlm_pipelines", "compile", "--out", str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.split() == [str(folder / f"{name}.yaml") for name in PIPELINES]
    return folder / "dataset-run.yaml"


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("ir"))


@pytest.fixture(scope="module")
def spec(ir: Path) -> pipeline_spec_pb2.PipelineSpec:
    message = pipeline_spec_pb2.PipelineSpec()
    json_format.ParseDict(yaml.safe_load(ir.read_text()), message)
    return message


def normalised(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    document["sdkVersion"] = ""
    return document


@pytest.mark.parametrize("name", PIPELINES)
def test_the_pipeline_is_the_golden_one(ir: Path, name: str) -> None:
    file = f"{name}.yaml"
    assert normalised(ir.with_name(file)) == normalised(GOLDEN.with_name(file))


def test_a_selection_run_is_a_dataset_run_that_ends_earlier(ir: Path) -> None:
    whole, first = (
        normalised(ir.with_name(f"{name}.yaml"))["components"]["comp-exit-handler-1"]
        for name in PIPELINES[:2]
    )
    tasks = whole["dag"]["tasks"]
    later = {"assemble", "condition-3"}  # training and evaluation
    assert {name: task for name, task in tasks.items() if name not in later} == (
        first["dag"]["tasks"]
    )


def test_compiling_twice_gives_the_same_bytes(ir: Path, tmp_path: Path) -> None:
    assert compiled(tmp_path / "again").read_bytes() == ir.read_bytes()


def dags(
    spec: pipeline_spec_pb2.PipelineSpec,
) -> list[tuple[str, pipeline_spec_pb2.ComponentSpec]]:
    nested = [(n, c) for n, c in spec.components.items() if c.WhichOneof("implementation") == "dag"]
    return [("root", spec.root), *nested]


def test_every_reference_is_resolved(spec: pipeline_spec_pb2.PipelineSpec) -> None:
    executors = spec.deployment_spec["executors"]
    for name, component in spec.components.items():
        if component.WhichOneof("implementation") == "executor_label":
            assert component.executor_label in executors, name
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


def test_the_loop_takes_no_other_steps_output(spec: pipeline_spec_pb2.PipelineSpec) -> None:
    """``kfp.local`` would replace each of them by the loop's item."""
    loops = [t for _, c in dags(spec) for t in c.dag.tasks.values() if t.WhichOneof("iterator")]
    assert len(loops) == 1
    (loop,) = loops
    from_tasks = [
        name
        for name, source in loop.inputs.parameters.items()
        if source.WhichOneof("kind") == "task_output_parameter"
    ]
    assert from_tasks == [loop.parameter_iterator.items.input_parameter]


def test_steps_run_the_given_image_and_install_nothing(
    spec: pipeline_spec_pb2.PipelineSpec,
) -> None:
    executors = json_format.MessageToDict(spec.deployment_spec)["executors"]
    assert len(executors) == 9
    for executor in executors.values():
        assert executor["container"]["image"] == IMAGE
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
        *("run_name", "store_uri", "profile", "resume_command"),
    }


def test_the_image_can_be_chosen_when_compiling(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from synthvlm_pipelines.compilation import compile_all;"
        "import sys; compile_all(Path(sys.argv[1]))"
    )
    image = "registry.example/synthvlm/pipelines@sha256:" + "0" * 64
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        capture_output=True,
        env={**os.environ, "SYNTHVLM_PIPELINES_IMAGE": image},
    )
    document = yaml.safe_load((tmp_path / "dataset-run.yaml").read_text())
    images = {e["container"]["image"] for e in document["deploymentSpec"]["executors"].values()}
    assert images == {image}
