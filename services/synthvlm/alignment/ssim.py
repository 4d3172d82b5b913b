"""The structural similarity index (Wang et al. 2004), and the SSIMScore based on it.

The index is computed in float64 in a fixed order: an image's value is the same on every processor,
and does not depend on what else is scored.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from synthvlm.alignment.bicubic import resize_square
from synthvlm.alignment.compiled import Pixels, Rows, rows_of
from synthvlm.alignment.ssim_kernel import WINDOW, add_similarity

SIGMA = 1.5
"""Standard deviation of the Gaussian window, in pixels."""

MIN_SIDE = 8
"""Minimum width and height of an image, in pixels."""

_CHANNELS = 3


def window(side: int) -> npt.NDArray[np.float64]:
    """The 11 weights of the Gaussian window along an axis of ``side`` pixels; their sum is 1.

    Along an axis shorter than that, the outer ones are zero: as many are left as the largest odd
    number that fits.
    """
    reach = min(WINDOW, side - 1 + side % 2) // 2
    weights = [
        math.exp(-(offset**2) / (2 * SIGMA**2)) if abs(offset) <= reach else 0.0
        for offset in range(-(WINDOW // 2), WINDOW // 2 + 1)
    ]
    return np.array(weights) / math.fsum(weights)


def ssim(first: Pixels, second: Pixels) -> float:
    """Mean structural similarity of two images of the same size.

    The mean is over all positions where the window lies wholly within the image, and over the three
    channels, which are compared separately. This is scikit-image's ``structural_similarity`` with
    ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255``.

    Args:
        first: At least 8 pixels a side.
        second: Of the same size.

    Returns:
        -1 to 1; 1 exactly when the images are equal.

    Raises:
        ValueError: The sizes differ, or a side is shorter than 8 pixels.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes {first.shape} and {second.shape} differ")
    height, width, _ = first.shape
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"{width} x {height} pixels: at least {MIN_SIDE} a side are needed")
    down, across = window(height), window(width)
    x, y = (_rows(pixels, down, across) for pixels in (first, second))
    sums = np.zeros(x.shape[1] - (WINDOW - 1) * _CHANNELS)
    add_similarity(x, y, down, across, sums)
    return math.fsum(sums) / float((len(x) - WINDOW + 1) * len(sums))


def _rows(pixels: Pixels, down: npt.NDArray[np.float64], across: npt.NDArray[np.float64]) -> Rows:
    """Rows of an image, with a margin under those weights of a window that are zero."""
    above, aside = (int(np.sum(weights == 0)) // 2 for weights in (down, across))
    if above or aside:
        pixels = np.pad(pixels, ((above, above), (aside, aside), (0, 0)))
    return rows_of(pixels)


def through_vlm(pixels: Pixels, vlm_size: int) -> Pixels:
    """The image as a VLM of input size ``vlm_size`` sees it, at its original size.

    The image is resized to ``vlm_size`` x ``vlm_size`` and back with Pillow's antialiased bicubic
    filter, which CLIP's image processor also uses. An image that is not square is squeezed, so that
    every part of it counts; for the square images of this pipeline, this, LLaVA's padding and
    CLIP's centre crop are equivalent.

    Args:
        pixels: The image.
        vlm_size: Pixels.
    """
    height, width, _ = pixels.shape
    if height == width:
        return resize_square(resize_square(pixels, vlm_size), width)
    small = Image.fromarray(pixels).resize((vlm_size, vlm_size), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def ssim_score(image: Image.Image, vlm_size: int) -> float:
    """SSIMScore (paper section 3.3): how much of an image survives the VLM's preprocessing.

    Args:
        image: RGB, at least 8 pixels a side.
        vlm_size: Input size of the VLM, in pixels (336 in the paper).

    Returns:
        -1 to 1.
    """
    pixels = np.asarray(image)
    return ssim(pixels, through_vlm(pixels, vlm_size))
