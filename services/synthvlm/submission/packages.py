"""Compiled pipelines, as a server takes them: read, adapted to where they run, and checked."""

import copy
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from synthvlm.errors import InvalidInput, PreconditionFailed

_COMPILE_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        spec: Its PipelineSpec.
        platforms: Its PlatformSpec; empty if it says nothing of Kubernetes.
    """

    spec: dict[str, Any]
    platforms: dict[str, Any]

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def executors(self) -> dict[str, dict[str, Any]]:
        """What runs in pods, by label."""
        found: dict[str, dict[str, Any]] = self.spec["deploymentSpec"]["executors"]
        return found

    def text(self) -> str:
        """The file's text; equal packages have the same."""
        documents = [self.spec, self.platforms] if self.platforms else [self.spec]
        return str(yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=True))

    def digest(self) -> str:
        """Digest of the text, in hexadecimal."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def accepted(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``arguments`` that the pipeline takes.

        Raises:
            PreconditionFailed: It needs another one.
        """
        inputs = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        missing = [
            name
            for name, definition in inputs.items()
            if name not in arguments and not definition.get("isOptional")
        ]
        if missing:
            raise PreconditionFailed(
                f"the pipeline {self.name} needs {', '.join(missing)}, which this version does not "
                f"give; compile it with this version"
            )
        return {name: arguments[name] for name in inputs if name in arguments}

    def without_cache(self, task: str) -> "Package":
        """The same with a task that always runs: what it reads may change under the same name."""
        spec = copy.deepcopy(self.spec)
        for tasks in _dags(spec):
            if task in tasks:
                tasks[task]["cachingOptions"] = {}
        return Package(spec, self.platforms)

    def constant(self, task: str, parameter: str) -> Any:
        """The constant that a task of the package gets as a parameter; None: it gets none."""
        for tasks in _dags(self.spec):
            given = tasks.get(task, {}).get("inputs", {}).get("parameters", {}).get(parameter, {})
            if "runtimeValue" in given:
                return given["runtimeValue"]["constant"]
        return None

    def with_constant(self, task: str, parameter: str, value: Any) -> "Package":
        """The same with another constant in the place of one that a task gets."""
        spec = copy.deepcopy(self.spec)
        for tasks in _dags(spec):
            if task in tasks:
                tasks[task]["inputs"]["parameters"][parameter] = {
                    "runtimeValue": {"constant": value}
                }
        return Package(spec, self.platforms)


def _dags(spec: dict[str, Any]) -> list[dict[str, Any]]:
    components = [spec["root"], *spec.get("components", {}).values()]
    return [component["dag"]["tasks"] for component in components if "dag" in component]


def compiled(name: str, folder: Path, environment: Mapping[str, str], profile: str) -> Package:
    """Compiles the pipelines, in a process of its own: their image is a constant of the process.

    Args:
        name: The pipeline that is wanted.
        folder: Where the files are written.
        environment: What the compilation reads of the environment, over this process's.
        profile: Profile whose section ``pipelines`` says where steps run; the environment comes
            before it.

    Raises:
        PreconditionFailed: It fails, as it does without KFP.
    """
    command = [
        *(sys.executable, "-m", "synthvlm_pipelines", "compile"),
        *("--out", str(folder), "--profile", profile),
    ]
    try:
        result = subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMPILE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PreconditionFailed(
            f"the pipelines were not compiled within {_COMPILE_SECONDS} seconds; compile them once "
            f"with `make pipelines`, and give --packages"
        ) from None
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise PreconditionFailed(f"the pipelines cannot be compiled: {last}")
    return read_package(folder, name)


def read_package(folder: Path, name: str) -> Package:
    """Reads a compiled pipeline.

    Raises:
        InvalidInput: There is none of that name in the folder, or it is damaged.
    """
    file = folder / f"{name}.yaml"
    try:
        text = file.read_text(encoding="utf-8")
        # The parser in C: in Python the file takes half a second.
        documents = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
        specs = [one for one in documents if "pipelineInfo" in one]
        platforms = [one for one in documents if "platforms" in one]
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise InvalidInput(f"the compiled pipeline {file} cannot be read: {error}") from error
    if len(specs) != 1 or len(platforms) > 1 or len(documents) > len(specs) + len(platforms):
        raise InvalidInput(f"{file} is not a compiled pipeline; make one with `make pipelines`")
    return Package(specs[0], platforms[0] if platforms else {})
