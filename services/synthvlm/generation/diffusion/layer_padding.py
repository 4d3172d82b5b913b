"""Layers of PyTorch on the CPU that sum a row alike however many rows there are.

Two kinds of layers depend on the number of their rows, each in one case: matrix products of fewer
than four rows are summed in another order by oneMKL, and a small convolution of one row is computed
by another library than one of two. Both cases are rare (embeddings of time and prompt, the first
layers of a decoder that is given one image) and cheap: there the layer itself is padded with copies
of its first row. ``docs/decisions/batch-invariance.md`` has the measurements.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

_PRODUCT_ROWS = 4
"""Fewest rows of a matrix product. Where an image is one row, there is always a multiple of them,
so that no rows are left over for a kernel of their own."""

_CONVOLUTION_ROWS = 2
"""Fewest rows of a convolution of at most ``_SMALL`` values."""

_SMALL = 20_480
"""PyTorch gives a single row of no more values than these to its own convolution, and everything
else to oneDNN (``use_mkldnn`` in ``aten/src/ATen/native/Convolution.cpp``)."""

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
    if values.dim() == 2:
        return _padded(forward, values, len(values) + -len(values) % _PRODUCT_ROWS)
    rows_each = values[0].numel() // values.shape[-1]
    return _padded(forward, values, -(-_PRODUCT_ROWS // rows_each))


def _convolution(forward: Layer, values: torch.Tensor) -> torch.Tensor:
    return _padded(forward, values, _CONVOLUTION_ROWS if values.numel() <= _SMALL else 1)


def _padded(forward: Layer, values: torch.Tensor, least: int) -> torch.Tensor:
    """Computes at least ``least`` rows, and returns those of ``values``."""
    rows = len(values)
    if rows >= least:
        return forward(values)
    copies = values[:1].expand(least - rows, *values.shape[1:])
    return forward(torch.cat([values, copies]))[:rows]
