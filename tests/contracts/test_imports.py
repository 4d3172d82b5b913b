"""Light modules stay light: nobody loads a model library to ask for help."""

import json
import subprocess
import sys

import pytest

from tests.contracts.words import SERVICES

MODELS = {"diffusers", "open_clip", "torch", "torchvision", "transformers"}
HEAVY = MODELS | {"datasets", "kfp", "kubernetes", "pandas", "sqlalchemy"}


def loaded_by(module: str, then: str = "pass") -> set[str]:
    """Top-level packages that are loaded once ``module`` is, and a statement has run."""
    program = f"import {module}, json, sys\n{then}\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.partition(".")[0] for name in json.loads(result.stdout)}


@pytest.mark.parametrize(
    "module",
    [
        "synthvlm.cli.__main__",
        "synthvlm.client",
        "synthvlm.local.services",
        "synthvlm.profiles",
        "synthvlm.report.write",
        "synthvlm.serving",
        "synthvlm.jobs.launch",
        "synthvlm.training.trained",
    ],
)
def test_what_everyone_imports_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(module) & HEAVY


def test_a_step_of_a_pipeline_loads_neither_tables_nor_pages() -> None:
    assert not loaded_by("synthvlm_pipelines.stage") & {"jinja2", "numpy", "pyarrow", *MODELS}


PROGRAM = """
import contextlib, gc, runpy
sys.argv[1:] = ["--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
    runpy.run_module("synthvlm.{word}", run_name="__main__")
assert gc.get_threshold()[2] > 10, "libraries are imported with full collections put off"
"""


@pytest.mark.parametrize("word", SERVICES)
def test_a_service_loads_its_models_only_once_it_listens(word: str) -> None:
    assert not loaded_by("synthvlm", PROGRAM.format(word=word)) & MODELS


def test_settings_of_services_are_told_without_loading_the_services() -> None:
    lines = json.dumps({word: [] for word in SERVICES})
    program = f"""
import contextlib, io
sys.argv[1:] = [{lines!r}]
with contextlib.redirect_stdout(io.StringIO()) as told:
    synthvlm.serving.show.main()
assert json.loads(told.getvalue()).keys() == {set(SERVICES)}
"""
    assert not loaded_by("synthvlm.serving.show", program) & {"alembic", "pyarrow", *MODELS}


@pytest.mark.parametrize(
    ("room", "mistake"),
    [("onnx", ["random", "--only", "lungs", "--to", "x"]), ("tensorrt", ["--profile", "mini"])],
)
def test_a_mistake_is_told_before_models_are_loaded(room: str, mistake: list[str]) -> None:
    module = f"synthvlm.generation.{room}.__main__"
    assert not loaded_by(module, f"assert {module}.main({mistake}) == 2") & MODELS
