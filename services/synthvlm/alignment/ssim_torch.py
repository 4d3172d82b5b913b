"""The structural similarity index in PyTorch, on the GPU that CLIP runs on.

Like the compiled kernel, it smooths the sum s and the difference d of two images and their squares,
along rows and then down columns, in float64; only the order of some sums differs, by which a value
differs from the kernel's in its last digits. It depends on nothing else that is scored: an image is
compared alone, in strips that follow from its size.
"""

import threading
import time

import numpy as np
import torch

from synthvlm.alignment.compiled import Pixels
from synthvlm.alignment.ssim import Similarity, Weights, frame
from synthvlm.alignment.ssim_kernel import C1, C2, WINDOW
from synthvlm.usage import used_device

STRIP_VALUES = 2**20
"""Values of an image that are compared at once, which takes up to 200 MB of the device. The images
themselves, as bytes, take at most 96 MB."""


def similarity_on(device: str) -> Similarity:
    """The index on a torch device, one pair of images at a time: its memory is bounded.

    Args:
        device: For example ``cuda:0``.
    """
    turn = threading.Lock()

    def compare(first: Pixels, second: Pixels) -> float:
        with turn:
            began = time.monotonic()
            value = ssim_on(device, first, second)
            used_device(time.monotonic() - began)
        return value

    return Similarity(compare, {"ssim": "torch"})


@torch.inference_mode()
def ssim_on(device: str, first: Pixels, second: Pixels, strip_values: int = STRIP_VALUES) -> float:
    """Mean structural similarity of two images of the same size, defined as ``ssim.ssim``.

    Args:
        device: Where it is computed.
        first: At least 8 pixels a side.
        second: Of the same size.
        strip_values: Values compared at once; a row of windows at least.

    Raises:
        ValueError: The sizes differ, or a side is shorter than 8 pixels.
    """
    framed = frame(first, second)
    x, y = (
        torch.tensor(np.ascontiguousarray(pixels), device=device)
        for pixels in (framed.first, framed.second)
    )
    height, width, channels = x.shape
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    strip = max(1, strip_values // (width * channels))
    total = torch.zeros((), dtype=torch.float64, device=device)
    for top in range(0, rows, strip):
        under = slice(top, top + strip + WINDOW - 1)
        total += _index(x[under].double(), y[under].double(), framed.down, framed.across).sum()
    return float(total) / (rows * columns * channels)


def _index(x: torch.Tensor, y: torch.Tensor, down: Weights, across: Weights) -> torch.Tensor:
    """Equation 13 of Wang et al. at all positions of the window, as in ``ssim_kernel``.

    Args:
        x: Rows of an image, shape (rows, width, channels).
        y: The same rows of the other.
        down: Weights of the window along the height.
        across: Weights along the width.
    """
    s, d = x + y, x - y
    planes = torch.stack([s, d, s * s, d * d])
    mean_s, mean_d, square_s, square_d = _smooth(_smooth(planes, across, 2), down, 1)
    ss, dd = mean_s * mean_s, mean_d * mean_d
    variance_s, variance_d = square_s - ss, square_d - dd
    index: torch.Tensor = ((ss - dd + 2 * C1) * (variance_s - variance_d + 2 * C2)) / (
        (ss + dd + 2 * C1) * (variance_s + variance_d + 2 * C2)
    )
    return index


def _smooth(planes: torch.Tensor, weights: Weights, axis: int) -> torch.Tensor:
    """Means under the window along an axis, at the positions where it lies within the planes."""
    places = planes.shape[axis] - WINDOW + 1
    means = torch.zeros_like(planes.narrow(axis, 0, places))
    for offset, weight in enumerate(weights.tolist()):
        means.add_(planes.narrow(axis, offset, places), alpha=weight)
    return means
