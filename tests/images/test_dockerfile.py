"""What can be seen of the images without building one."""

import json
import os
import re
import runpy
import subprocess
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.charts.objects import templates, texts
from tests.charts.rendering import configuration
from tests.contracts.words import PACKAGE, ROOT, SERVICES

FOLDER = ROOT / "docker"
DOCKERFILES = [FOLDER / f"Dockerfile{end}" for end in ("", ".triton", ".lmms")]
LABELS = {"title", "description", "version", "revision", "licenses", "base.name"}
OF_TORCH = re.compile(r"torch|triton|(nvidia|cuda)-.*")
"""Packages of the layer with PyTorch, as the Dockerfile tells them apart."""
NOT_FOR_CPU = re.compile(r"triton|(nvidia|cuda)-.*")
"""Packages that a build of PyTorch for the CPU does without."""


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, continuations joined."""

    word: str
    rest: str


def instructions(path: Path) -> list[Instruction]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [Instruction(word, " ".join(rest.split())) for word, rest in found]


def last_stage(path: Path) -> list[Instruction]:
    found = instructions(path)
    start = max(index for index, one in enumerate(found) if one.word == "FROM")
    return found[start:]


def makefile_images() -> list[str]:
    """The images that `make images` and `make triton-images` build."""
    text = (ROOT / "Makefile").read_text("utf-8")
    (images,) = re.findall(r"^IMAGES := (.+)$", text, re.MULTILINE)
    (others,) = re.findall(r"^\tdocker/build.sh ([a-z ]+)$", text, re.MULTILINE)
    return [*images.split(), *others.split()]


WORDS = makefile_images()
OWN = [word for word in WORDS if (ROOT / "requirements" / f"{word}.txt").is_file()]
"""Images of the first Dockerfile."""


def pins(name: str) -> set[str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_as_a_user_by_number_and_starts_its_program_itself(path: Path) -> None:
    stage = last_stage(path)
    (user,) = (one.rest for one in stage if one.word == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    pods = templates(configuration("mini"))
    assert {pod.spec["securityContext"]["runAsUser"] for pod in pods} == {int(user.split(":")[0])}
    (entry,) = (one.rest for one in stage if one.word == "ENTRYPOINT")
    assert json.loads(entry) == ["/opt/synthvlm/bin/entrypoint"]
    assert not [one for one in stage if one.word == "CMD"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_nothing_comes_from_an_address_or_an_image_that_is_not_said(path: Path) -> None:
    found = instructions(path)
    assert "://" not in path.read_text("utf-8")
    assert not [one for one in found if one.word == "ADD"]
    stages = {one.rest.split()[2] for one in found if one.word == "FROM" and " AS " in one.rest}
    arguments = {one.rest.partition("=")[0] for one in found if one.word == "ARG"}
    for one in found:
        if one.word == "FROM":
            image = one.rest.split()[0]
            variable = re.search(r"\$\{(\w+)\}", image)
            assert image in stages or (variable is not None and variable[1] in arguments), image


@pytest.mark.parametrize("path", [*DOCKERFILES, FOLDER / "install.sh"], ids=lambda path: path.name)
def test_packages_are_installed_as_pinned_and_leave_no_cache(path: Path) -> None:
    text = path.read_text("utf-8").replace("\\\n", " ")
    installs = [line for line in text.split("&&") if re.search(r"pip[^\n]* (install|wheel) ", line)]
    assert installs
    for line in installs:
        assert "--no-deps" in line
    assert "--no-cache-dir" in text
    assert not re.search(r"apt-get|apt |curl|wget|git clone", text)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_result_is_labelled(path: Path) -> None:
    labels = " ".join(one.rest for one in last_stage(path) if one.word == "LABEL")
    assert set(re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", labels)) == LABELS


def test_what_builds_stays_behind() -> None:
    """Only what was installed is copied; tools are mounted for one step."""
    found = instructions(FOLDER / "Dockerfile")
    start = next(i for i, one in enumerate(found) if one.rest.endswith("AS image-light"))
    copied = [one.rest for one in found[start:] if one.word == "COPY"]
    assert {rest.split()[0] for rest in copied} == {
        f"--from={stage}" for stage in ("shared", "torch", "extra", "code")
    }
    assert all(rest.split()[1:] == ["/layer/", "/"] for rest in copied)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_is_sent_to_the_builder(path: Path) -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    for one in instructions(path):
        if one.word == "COPY" and "--from" not in one.rest:
            for source in one.rest.split()[:-1]:
                assert source.split("/")[0] in allowed, source
                assert "${" in source or (ROOT / source).exists(), source


def test_the_chart_names_no_image_that_is_not_built() -> None:
    objects = configuration("everything")
    named = {c["image"] for pod in templates(objects) for c in pod.containers}
    # The image of pipelines' steps is in the ConfigMap that they read.
    named |= {
        text
        for entry in objects
        if entry["kind"] == "ConfigMap"
        for text in texts(entry.get("data"))
        if re.fullmatch(r"\S+/synthvlm/[a-z]+:\S+", text)
    }
    words = {found[1] for name in named if (found := re.search(r"/synthvlm/([a-z]+)[:@]", name))}
    assert words <= set(WORDS)
    assert words >= {*SERVICES, "pipelines", "training", "triton", "engines"}


@pytest.mark.parametrize("word", WORDS)
def test_an_image_runs_a_package_of_this_project(word: str, tmp_path: Path) -> None:
    """The entrypoint, with programs that say how they are called."""
    for name in ("python3", "tini"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", str(FOLDER / "entrypoint.sh"), "--help"],
        env={"PATH": str(tmp_path), "SYNTHVLM_IMAGE": word},
        capture_output=True, text=True, check=True, timeout=10,
    ).stdout.split()  # fmt: skip
    module = ran[ran.index("-m") + 1]
    folder = ROOT / "pipelines" if module == "synthvlm_pipelines" else ROOT / "services"
    assert (folder / module.replace(".", "/") / "__main__.py").is_file()
    assert ran[-1] == "--help"
    # A service is the process that gets the signals; what starts processes has an init.
    several = {"pipelines", "training", "evaluation"}
    assert ran[0] == ("tini" if word in several else "python3")
    assert word not in SERVICES or module == f"synthvlm.{word}"
    assert (PACKAGE / word).is_dir() or word in {"pipelines", "triton", "engines"}


@pytest.mark.parametrize("word", OWN)
def test_layers_that_images_share_hold_the_same_packages(word: str) -> None:
    assert pins("base") <= pins(word)

    def torch(name: str) -> set[str]:
        return {pin for pin in pins(name) if OF_TORCH.fullmatch(pin.partition("==")[0])}

    assert torch(word) in (set(), torch("generation"))


def test_a_pytorch_for_the_cpu_leaves_nobody_without_a_package() -> None:
    dropped = {
        name for pin in pins("generation") if NOT_FOR_CPU.fullmatch(name := pin.split("=")[0])
    }
    assert dropped
    for word in OWN:
        for pin in pins(word):
            name = pin.partition("==")[0]
            needs = [Requirement(text) for text in distribution(name).requires or ()]
            lost = {
                canonicalize_name(need.name)
                for need in needs
                if need.marker is None or need.marker.evaluate({"extra": ""})
            } & dropped
            assert not lost or name in dropped | {"torch"}, (name, lost)


def test_modules_that_have_an_attribute_for_every_name_are_not_compiled(tmp_path: Path) -> None:
    class Operators(ModuleType):
        """As torch.ops."""

        __file__ = "_ops.py"

        def __getattr__(self, name: str) -> object:
            return object()

    source, cached = tmp_path / "some.py", tmp_path / "some.pyc"
    module = ModuleType("some")
    module.__file__, module.__cached__ = str(source), str(cached)
    uncompiled = runpy.run_path(str(FOLDER / "compile.py"))["uncompiled"]
    found = [(str(source), str(cached))]
    assert list(uncompiled([Operators("ops"), module, ModuleType("built_in")])) == found
    cached.touch()
    assert not list(uncompiled([module]))


def test_triton_has_the_packages_of_generation() -> None:
    assert pins("triton-image") == pins("generation")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_parses_and_can_be_run(path: Path) -> None:
    shell = path.read_text("utf-8").splitlines()[0].removeprefix("#!").split()[-1].split("/")[-1]
    subprocess.run([shell, "-n", str(path)], check=True, timeout=10)
    assert os.access(path, os.X_OK)
