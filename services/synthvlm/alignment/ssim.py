"""The structural similarity index (Wang et al. 2004), and the SSIMScore based on it.

The index is computed in float64 in a fixed order: an image's value is the same on every processor,
and does not depend on what else is scored. It is computed row by row by compiled code, so that
memory is bounded and what is worked on stays in the cache.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from synthvlm.alignment.ssim_kernel import add_similarity

SIGMA = 1.5
"""Standard deviation of the Gaussian window, in pixels."""

WINDOW = 11
"""Side of the window in pixels, if the image is at least as large."""

MIN_SIDE = 8
"""Minimum width and height of an image, in pixels."""

BAND_BYTES = 4 * 2**20
"""Bytes of an image's pixels that are made into an array at a time."""

Pixels = npt.NDArray[np.uint8]
"""uint8 RGB of shape (height, width, 3)."""

_Values = npt.NDArray[np.float64]
_CHANNELS = 3


def window(side: int) -> _Values:
    """Weights of the Gaussian window along an axis of ``side`` pixels; their sum is 1.

    The window has 11 weights; along an axis shorter than that, the largest odd number that fits.
    """
    length = min(WINDOW, side - 1 + side % 2)
    offsets = range(-(length // 2), length // 2 + 1)
    weights = [math.exp(-(offset**2) / (2 * SIGMA**2)) for offset in offsets]
    return np.array(weights) / math.fsum(weights)


def ssim(first: Image.Image, second: Image.Image, band_bytes: int = BAND_BYTES) -> float:
    """Mean structural similarity of two images of the same size.

    The mean is over all positions where the window lies wholly within the image, and over the three
    channels, which are compared separately. This is scikit-image's ``structural_similarity`` with
    ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255``.

    Args:
        first: RGB, at least 8 pixels a side.
        second: RGB of the same size.
        band_bytes: Bytes of pixels made into an array at a time; does not affect the result.

    Returns:
        -1 to 1; 1 exactly when the images are equal.

    Raises:
        ValueError: The sizes differ, or a side is shorter than 8 pixels.
    """
    if first.size != second.size:
        raise ValueError(f"sizes {first.size} and {second.size} differ")
    width, height = first.size
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"{width} x {height} pixels: at least {MIN_SIDE} a side are needed")
    down, across = window(height), window(width)
    sums = np.zeros((width - len(across) + 1) * _CHANNELS)
    rows = max(1, band_bytes // (width * _CHANNELS))
    for top, bottom in _bands(height, rows, len(down) - 1):
        x, y = _rows(first, top, bottom), _rows(second, top, bottom)
        add_similarity(x, y, down, across, _CHANNELS, sums)
    return math.fsum(sums) / float((height - len(down) + 1) * len(sums))


def _bands(height: int, rows: int, margin: int) -> Iterator[tuple[int, int]]:
    """Bands of an image, each of which begins ``margin`` rows before the end of the last."""
    for top in range(0, height - margin, rows):
        yield top, min(top + rows + margin, height)


def _rows(image: Image.Image, top: int, bottom: int) -> Pixels:
    band = np.asarray(image.crop((0, top, image.width, bottom)))
    return band.reshape(bottom - top, image.width * _CHANNELS)


def through_vlm(image: Image.Image, vlm_size: int) -> Image.Image:
    """The image as a VLM of input size ``vlm_size`` sees it, at its original size.

    The image is resized to ``vlm_size`` x ``vlm_size`` and back with Pillow's antialiased bicubic
    filter, which CLIP's image processor also uses. An image that is not square is squeezed, so that
    every part of it counts; for the square images of this pipeline, this, LLaVA's padding and
    CLIP's centre crop are equivalent.

    Args:
        image: RGB.
        vlm_size: Pixels.
    """
    small = image.resize((vlm_size, vlm_size), Image.Resampling.BICUBIC)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def ssim_score(image: Image.Image, vlm_size: int) -> float:
    """SSIMScore (paper section 3.3): how much of an image survives the VLM's preprocessing.

    Args:
        image: RGB, at least 8 pixels a side.
        vlm_size: Input size of the VLM, in pixels (336 in the paper).

    Returns:
        -1 to 1.
    """
    return ssim(image, through_vlm(image, vlm_size))
