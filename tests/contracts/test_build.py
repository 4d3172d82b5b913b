"""What is built from a checkout."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.contracts.words import PACKAGE, PROTO_PACKAGES, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel that is built from the sources without any stub."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("protos", "services", "pipelines"):
        ignored = shutil.ignore_patterns("__pycache__", "v1" if name == "services" else "")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder / "wheels"), str(folder)]
    subprocess.run(command, check=True, cwd=folder, timeout=300)
    (path,) = (folder / "wheels").iterdir()
    return set(zipfile.ZipFile(path).namelist())


def test_a_wheel_holds_the_stubs(wheel: set[str]) -> None:
    for word in PROTO_PACKAGES:
        stub = "shard" if word == "storage" else word
        for ending in (".py", ".pyi", "_grpc.py"):
            assert f"synthvlm/{word}/v1/{stub}_pb2{ending}" in wheel


def test_a_wheel_holds_all_that_the_package_reads(wheel: set[str]) -> None:
    kept = {"__pycache__", "v1"}
    expected = {
        f"synthvlm/{path.relative_to(PACKAGE)}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and not kept & set(path.parts) and path.suffix not in {".png", ".csv"}
    }
    assert not {name for name in expected - wheel if not name.endswith(".md")}


def test_the_stubs_of_a_checkout_are_those_of_its_protos(tmp_path: Path) -> None:
    program = (
        f"import sys, pathlib; sys.argv = ['setup.py', '--version']; "
        f"import setup; setup.generate(pathlib.Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120)
    fresh = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*.py*")}
    assert fresh
    for relative, path in fresh.items():
        assert path.read_bytes() == (ROOT / "services" / relative).read_bytes(), "run `make protos`"


def test_stubs_are_never_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not [name for name in listed.stdout.splitlines() if re.search(r"_pb2(_grpc)?\.py", name)]


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE))
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets == set(re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE))
