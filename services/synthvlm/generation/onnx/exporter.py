"""All components of a model as ONNX graphs, each checked against PyTorch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvlm.generation.diffusion.components import Component, Tensors
from synthvlm.generation.diffusion.executed import Run
from synthvlm.generation.diffusion.loading import load
from synthvlm.generation.onnx.check import check
from synthvlm.generation.onnx.executor import graph_run
from synthvlm.generation.onnx.export import export, weights_of
from synthvlm.generation.pipeline import PipelineSettings


@dataclass(frozen=True)
class ExportedComponent:
    """A component that was exported.

    Attributes:
        name: Its name among those of all pipelines, for example ``base-unet``.
        kind: Class of the PyTorch module.
        parameters: Its parameters.
        precision: Their type, for example ``float16``.
        difference: Largest difference from PyTorch, relative to the largest number; None where it
            was not compared.
        bytes: Size of graph and weights.
        seconds: What export and comparison took.
        file: The graph.
    """

    name: str
    kind: str
    parameters: int
    precision: str
    difference: float | None
    bytes: int
    seconds: float
    file: Path

    def to_json(self) -> dict[str, Any]:
        """What manifests and programs are told: everything but where the file is."""
        return {
            "component": self.name,
            "kind": self.kind,
            "parameters": self.parameters,
            "precision": self.precision,
            "difference": self.difference,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 2),
        }


Heard = Callable[[ExportedComponent], None]
"""Told of every component when it is exported."""


def export_component(
    name: str,
    component: Component,
    module: Any,
    folder: Path,
    threads: int,
    *,
    compare: bool = True,
) -> ExportedComponent:
    """Exports one component and compares it with PyTorch.

    Args:
        name: Its name, and that of the file.
        component: Its kind.
        module: The PyTorch module, on the CPU.
        folder: Where graph and weights go.
        threads: Threads of one operation in the comparison.
        compare: Whether to compare.

    Raises:
        PreconditionFailed: The graph differs from PyTorch.
    """
    began = time.monotonic()
    file = folder / f"{name}.onnx"
    parameters = sum(parameter.numel() for parameter in module.parameters())
    export(component, module, file)
    difference = check(component, module, graph_run(file, component, threads)) if compare else None
    return ExportedComponent(
        name=name,
        kind=type(module).__name__,
        parameters=parameters,
        precision=str(module.dtype).removeprefix("torch."),
        difference=difference,
        bytes=file.stat().st_size + weights_of(file).stat().st_size,
        seconds=time.monotonic() - began,
        file=file,
    )


class Exporter:
    """An executor that exports components and computes none.

    Args:
        folder: Where graphs and weights go.
        threads: Threads of one operation.
        heard: Told of every component.
        made: Called with component, module and export as soon as a graph is there, while its
            PyTorch module still is.
    """

    numerics: Mapping[str, str | int] = {}

    def __init__(
        self,
        folder: Path,
        threads: int,
        heard: Heard,
        made: Callable[[Component, Any, ExportedComponent], None] | None = None,
    ) -> None:
        self._folder = folder
        self._threads = threads
        self._heard = heard
        self._made = made
        self.components: list[ExportedComponent] = []

    def load(self, name: str, component: Component, module: Any) -> Run:
        """See ``Executor.load``."""
        exported = export_component(name, component, module, self._folder, self._threads)
        if self._made is not None:
            self._made(component, module, exported)
        self.components.append(exported)
        self._heard(exported)
        return _never


def _never(inputs: Tensors) -> Tensors:
    raise NotImplementedError(f"an exported component computes nothing ({', '.join(inputs)})")


def export_model(
    settings: PipelineSettings, folder: Path, heard: Heard = lambda _: None
) -> list[ExportedComponent]:
    """Exports all components of pipelines, on the CPU.

    Args:
        settings: The pipelines.
        folder: Where graphs and weights go.
        heard: Told of every component.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded, or a graph differs from PyTorch.
    """
    exporter = Exporter(folder, settings.threads, heard)
    load(settings.in_torch("cpu"), exporter)
    return exporter.components
