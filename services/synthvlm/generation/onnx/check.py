"""Comparing what an executor computes with PyTorch."""

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
"""Largest difference from PyTorch, relative to the largest number that PyTorch gives, in single
precision."""

_ROUNDINGS = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
_ROUNDINGS_ALLOWED = 40
"""In half precision PyTorch itself is that many roundings beside the truth: more cannot be asked
of another order of the same sums."""

_CHECKS = (EXAMPLE, {BATCH: 3, HEIGHT: 8, WIDTH: 24, TOKENS: WINDOW})
"""The check is made at other sizes too: an axis that tracing froze would show."""


def tolerance(precision: torch.dtype) -> float:
    """Largest difference from PyTorch that is allowed in a precision."""
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
        run: What the executor made of it.
        sizes: Lengths of the named axes, one comparison each; several batches and sizes by default.
        device: Where the tensors are that both get.

    Returns:
        The largest difference, relative to the largest number that PyTorch gives.

    Raises:
        PreconditionFailed: It is more than the ``tolerance`` of the module's precision.
    """
    allowed = tolerance(module.dtype)
    found = [difference(component, module, run, one, device) for one in sizes]
    worst = max(found)
    if not all(one <= allowed for one in found):  # NaN is not
        raise PreconditionFailed(
            f"the executed {type(module).__name__} differs from PyTorch by {worst:.2g} of its "
            f"largest number; {allowed:.2g} is allowed"
        )
    return worst


def difference(
    component: Component, module: Any, run: Run, sizes: Mapping[str, int], device: str = "cpu"
) -> float:
    """The largest difference from PyTorch, as ``check`` measures it, at one size."""
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
