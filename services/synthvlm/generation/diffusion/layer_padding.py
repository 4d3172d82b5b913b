"""Layers of PyTorch on the CPU that sum a row alike however many rows there are.

Two kinds of layers depend on the number of their rows. A matrix product of rows that are not a
multiple of four has some left over, which oneMKL sums in another order; and a small convolution of
one image is computed by another library than one of two. Both are cheap to avoid: there the layer
itself is padded with copies of its first row. ``docs/decisions/batch-invariance.md`` has the
measurements.

Of elements that are left over when threads have taken theirs in whole vectors, activations are
computed by other instructions. So the values of an image must fill whole vectors in every layer,
which they do at sides that are multiples of ``SIDE``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

_PRODUCT_ROWS = 4
"""A matrix product has a multiple of these rows."""

_CONVOLUTION_IMAGES = 2
"""Fewest images of a convolution of at most ``_SMALL`` values."""

_SMALL = 20_480
"""PyTorch gives a single image of no more values than these to its own convolution, and everything
else to oneDNN (``use_mkldnn`` in ``aten/src/ATen/native/Convolution.cpp``)."""

SIDE = 32
"""Pixels of which the sides of an image must be multiples."""

Layer = Callable[[torch.Tensor], torch.Tensor]


def pad_layers(network: torch.nn.Module) -> None:
    """Makes the layers of a network independent of the number of their rows, for good."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear):
            _replace(layer, _product)
        elif isinstance(layer, torch.nn.Conv2d):
            _replace(layer, _convolution)


def _replace(layer: Any, padded: Callable[[Layer, torch.Tensor], torch.Tensor]) -> None:
    layer.forward = partial(padded, layer.forward)


def _product(forward: Layer, values: torch.Tensor) -> torch.Tensor:
    rows = values.numel() // values.shape[-1]
    if rows % _PRODUCT_ROWS == 0:
        return forward(values)
    results = _padded(forward, values.flatten(0, -2), rows + -rows % _PRODUCT_ROWS)
    return results.reshape(*values.shape[:-1], -1)


def _convolution(forward: Layer, values: torch.Tensor) -> torch.Tensor:
    return _padded(forward, values, _CONVOLUTION_IMAGES if values.numel() <= _SMALL else 1)


def _padded(forward: Layer, values: torch.Tensor, least: int) -> torch.Tensor:
    """Computes at least ``least`` rows, and returns those of ``values``."""
    rows = len(values)
    if rows >= least:
        return forward(values)
    copies = values[:1].expand(least - rows, *values.shape[1:])
    return forward(torch.cat([values, copies]))[:rows]
