"""``synthvlm engines``: exports that agree with PyTorch, sets in a store, and the Job on stdout."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthvlm.cli.__main__ import run
from synthvlm.cli.commands.engines import sets
from synthvlm.generation.config import GenerationSettings, TensorRtSettings
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.tensorrt import identity
from synthvlm.generation.tensorrt.engine_sets import COMPONENTS, FILE
from synthvlm.generation.tensorrt.target import Target, engine_identity
from synthvlm.storage import Commit, file_location, open_store

GPU = "NVIDIA-H100-80GB-HBM3"


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


# What is in a store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one set of engines in its store."""
    settings = GenerationSettings(
        pipeline=PipelineSettings(executor="tensorrt", device="cuda", dtype="float16"),
        tensorrt=TensorRtSettings(store="file:///engines"),
    )
    built_for = engine_identity(settings, Target("11.4.0.106", "9.0", "NVIDIA H100 80GB HBM3"))
    Commit(open_store(file_location(tmp_path / "store")), built_for.key).finish(
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


def test_an_unknown_set_is_reported(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "show", "zz", "--home", str(home)]) == 1
    assert "no sets of engines" in capsys.readouterr().err


def test_an_empty_store_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "list", "--home", str(tmp_path)]) == 0
    assert "no engines in" in capsys.readouterr().out


def test_both_sides_use_the_same_name_for_the_kind() -> None:
    assert sets.KIND == identity.KIND


# Building


def test_a_build_without_what_it_needs_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # No machine of the tests has a GPU and TensorRT.
    assert run(["engines", "build", "--home", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the Python package tensorrt, version 11" in line


# The Job


def test_the_command_prints_the_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "job", "--gpu", GPU, "--store", "s3://bucket/prefix"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [one["kind"] for one in printed] == ["ConfigMap", "Job"]
    assert printed[1]["spec"]["template"]["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": GPU}
