"""Networks as ONNX graphs, checked against PyTorch.

A graph has the precision of the module that it is exported from: TensorRT engines are strongly
typed, so there is no other place to choose it. Batch, height and width stay free.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.executors.networks import BATCH, HEIGHT, TOKENS, WIDTH, WINDOW, Network

OPSET = 18
"""Version of ONNX's operators."""

TOLERANCE = 1e-3
"""Largest difference from PyTorch, relative to the largest number that PyTorch gives."""

_EXAMPLE = {BATCH: 2, HEIGHT: 16, WIDTH: 16, TOKENS: WINDOW}
_CHECKS = (_EXAMPLE, {BATCH: 3, HEIGHT: 8, WIDTH: 24, TOKENS: WINDOW})
"""The check is made at other sizes too: an axis that tracing froze would show."""


class _Graph(torch.nn.Module):
    """The function that is exported, as the module that the exporter wants."""

    def __init__(self, network: Network, module: Any) -> None:
        super().__init__()
        self.module = module
        self._network = network

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._network.compute(self.module, *tensors)


def export(network: Network, module: Any, file: Path) -> None:
    """Writes a network as an ONNX graph; its weights go to one file beside it.

    Args:
        network: Its kind.
        module: The PyTorch module, on the CPU.
        file: The graph; the weights are in ``file`` with the suffix ``.weights``.
    """
    shapes = (*network.inputs, *network.outputs)
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing warns of itself and of every shape that it reads.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Graph(network, module).eval(),
            tuple(shape.example(_EXAMPLE, module.dtype) for shape in network.inputs),
            str(file),
            input_names=[shape.name for shape in network.inputs],
            output_names=[shape.name for shape in network.outputs],
            dynamic_axes={
                shape.name: {i: a for i, a in enumerate(shape.axes) if isinstance(a, str)}
                for shape in shapes
            },
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.save_model(
        onnx.load(file),
        file,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=weights_of(file).name,
    )


def weights_of(file: Path) -> Path:
    """The file of a graph's weights."""
    return file.with_suffix(".weights")


def check(network: Network, module: Any, run: Any) -> float:
    """Compares an executor with PyTorch, at several batches and sizes.

    Args:
        network: The kind of network.
        module: The PyTorch module, on the CPU.
        run: What the executor made of it.

    Returns:
        The largest difference, relative to the largest number that PyTorch gives.

    Raises:
        PreconditionFailed: It is more than ``TOLERANCE``.
    """
    found = [_difference(network, module, run, sizes) for sizes in _CHECKS]
    worst = max(found)
    if not all(difference <= TOLERANCE for difference in found):  # NaN is not
        raise PreconditionFailed(
            f"the executed {type(module).__name__} differs from PyTorch by {worst:.2g} of its "
            f"largest number; {TOLERANCE:g} is allowed"
        )
    return worst


def _difference(network: Network, module: Any, run: Any, sizes: Mapping[str, int]) -> float:
    inputs = {shape.name: shape.example(sizes, module.dtype) for shape in network.inputs}
    outputs = run(inputs)
    with torch.no_grad():
        expected = network.compute(module.eval(), *inputs.values())
    differences = []
    for shape, tensor in zip(network.outputs, expected, strict=True):
        largest = tensor.float().abs().max().clamp(min=1e-6)
        differences.append((outputs[shape.name].float() - tensor.float()).abs().max() / largest)
    return float(torch.stack(differences).max())
