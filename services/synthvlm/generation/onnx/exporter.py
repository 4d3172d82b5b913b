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
        name: Its unique name across all pipelines, for example ``base-unet``.
        kind: Class of the PyTorch module.
        parameters: Number of parameters.
        precision: Their type, for example ``float16``.
        difference: Largest difference from PyTorch, relative to the largest value; None if not
            compared.
        bytes: Size of graph and weights.
        seconds: Duration of export and comparison.
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
        """Everything except the path of the file, for manifests and programs."""
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
"""Called with each exported component."""


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
        folder: Folder for graph and weights.
        threads: Threads per operation in the comparison.
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
    """An executor that exports components instead of computing them.

    Args:
        folder: Folder for graphs and weights.
        threads: Threads per operation.
        heard: Called with each exported component.
        made: Called with component, module and export as soon as a graph is written, while its
            PyTorch module is still loaded.
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
    raise NotImplementedError(f"an exported component cannot be run ({', '.join(inputs)})")


def export_model(
    settings: PipelineSettings, folder: Path, heard: Heard = lambda _: None
) -> list[ExportedComponent]:
    """Exports all components of pipelines, on the CPU.

    Args:
        settings: The pipelines.
        folder: Folder for graphs and weights.
        heard: Called with each exported component.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded, or a graph differs from PyTorch.
    """
    exporter = Exporter(folder, settings.threads, heard)
    load(settings.in_torch("cpu"), exporter)
    return exporter.components
