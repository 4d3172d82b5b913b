"""Comparing an executor's results with PyTorch's."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.diffusion.components import (
    BATCH,
    HEIGHT,
    TOKENS,
    WIDTH,
    WINDOW,
    Component,
)
from synthvlm.generation.diffusion.executed import Run
from synthvlm.generation.onnx.export import EXAMPLE

TOLERANCE = 1e-3
"""Largest allowed difference from PyTorch, relative to PyTorch's largest value, in single
precision."""

_ROUNDINGS = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
_ROUNDINGS_ALLOWED = 40
"""In half precision PyTorch itself is off by that many roundings: a different order of the same
sums cannot be expected to be closer."""

_CHECKS = (EXAMPLE, {BATCH: 3, HEIGHT: 8, WIDTH: 24, TOKENS: WINDOW})
"""Several sizes, to reveal an axis that tracing froze."""


def tolerance(precision: torch.dtype) -> float:
    """Largest allowed difference from PyTorch in a precision."""
    return max(TOLERANCE, _ROUNDINGS_ALLOWED * _ROUNDINGS.get(precision, 0.0))


def check(
    component: Component,
    module: Any,
    run: Run,
    sizes: Sequence[Mapping[str, int]] = _CHECKS,
    device: str = "cpu",
) -> float:
    """Compares an executor with PyTorch.

    Args:
        component: The kind of component.
        module: The PyTorch module, on ``device``.
        run: The executor's function for it.
        sizes: Lengths of the named axes, one comparison each; several batches and sizes by default.
        device: Device of the inputs.

    Returns:
        The largest difference, relative to PyTorch's largest value.

    Raises:
        PreconditionFailed: It exceeds the ``tolerance`` of the module's precision.
    """
    allowed = tolerance(module.dtype)
    found = [difference(component, module, run, one, device) for one in sizes]
    worst = max(found)
    if not all(one <= allowed for one in found):  # also false for NaN
        raise PreconditionFailed(
            f"the executed {type(module).__name__} differs from PyTorch by {worst:.2g} of its "
            f"largest value; {allowed:.2g} is allowed"
        )
    return worst


def difference(
    component: Component, module: Any, run: Run, sizes: Mapping[str, int], device: str = "cpu"
) -> float:
    """The largest difference from PyTorch at one size, as measured by ``check``."""
    inputs = {
        shape.name: shape.example(sizes, module.dtype).to(device) for shape in component.inputs
    }
    outputs = run(inputs)
    with torch.no_grad():
        expected = component.compute(module.eval(), *inputs.values())
    differences = []
    for shape, tensor in zip(component.outputs, expected, strict=True):
        largest = tensor.float().abs().max().clamp(min=1e-6)
        differences.append((outputs[shape.name].float() - tensor.float()).abs().max() / largest)
    return float(torch.stack(differences).max())
