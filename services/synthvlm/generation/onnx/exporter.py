"""All networks of a model as ONNX graphs, each checked against PyTorch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.executors.export import check, export, weights_of
from synthvlm.generation.executors.module import Run
from synthvlm.generation.executors.networks import Network, Tensors
from synthvlm.generation.executors.onnxruntime import graph_run
from synthvlm.generation.loading import load_with


@dataclass(frozen=True)
class ExportedNetwork:
    """A network that was exported.

    Attributes:
        name: ``role-part``, for example ``base-unet``.
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
            "network": self.name,
            "kind": self.kind,
            "parameters": self.parameters,
            "precision": self.precision,
            "difference": self.difference,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 2),
        }


Heard = Callable[[ExportedNetwork], None]
"""Told of every network when it is exported."""


def export_network(
    name: str, network: Network, module: Any, folder: Path, threads: int, *, compare: bool = True
) -> ExportedNetwork:
    """Exports one network and compares it with PyTorch.

    Args:
        name: ``role-part``; names the file.
        network: Its kind.
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
    export(network, module, file)
    difference = check(network, module, graph_run(file, network, threads)) if compare else None
    return ExportedNetwork(
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
    """An executor that exports networks and computes none.

    Args:
        folder: Where graphs and weights go.
        threads: Threads of one operation.
        heard: Told of every network.
        made: Called with network, module and export as soon as a network is there, while its
            PyTorch module still is.
    """

    name = "export"
    numerics: Mapping[str, str | int] = {}

    def __init__(
        self,
        folder: Path,
        threads: int,
        heard: Heard,
        made: Callable[[Network, Any, ExportedNetwork], None] | None = None,
    ) -> None:
        self._folder = folder
        self._threads = threads
        self._heard = heard
        self._made = made
        self.networks: list[ExportedNetwork] = []

    def load(self, role: str, part: str, network: Network, module: Any) -> Run:
        """See ``Executor.load``."""
        exported = export_network(f"{role}-{part}", network, module, self._folder, self._threads)
        if self._made is not None:
            self._made(network, module, exported)
        self.networks.append(exported)
        self._heard(exported)
        return _never


def _never(inputs: Tensors) -> Tensors:
    raise NotImplementedError(f"a network that is exported computes nothing ({', '.join(inputs)})")


def export_model(
    settings: GenerationSettings, folder: Path, heard: Heard = lambda _: None
) -> list[ExportedNetwork]:
    """Exports all networks of a profile's pipelines, on the CPU.

    Args:
        settings: The profile's settings.
        folder: Where graphs and weights go.
        heard: Told of every network.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded, or a graph differs from PyTorch.
    """
    exporter = Exporter(folder, settings.threads, heard)
    load_with(settings, exporter, "cpu")
    return exporter.networks
