"""The structural similarity index (Wang et al. 2004), and the SSIMScore based on it.

The index is computed in float64 in a fixed order: an image's value is the same on every processor,
and does not depend on what else is scored. ``ssim_torch`` computes the same on a GPU.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from synthvlm.alignment.bicubic import resize_square
from synthvlm.alignment.compiled import Pixels, rows_of
from synthvlm.alignment.ssim_kernel import WINDOW, add_similarity

SIGMA = 1.5
"""Standard deviation of the Gaussian window, in pixels."""

MIN_SIDE = 8
"""Minimum width and height of an image, in pixels."""

_CHANNELS = 3

Weights = npt.NDArray[np.float64]
"""The window's weights along an axis."""


@dataclass(frozen=True)
class Similarity:
    """What computes the index.

    Attributes:
        compare: As ``ssim`` does; called by many threads.
        numerics: What is added to those of scores, as the last bit of a value depends on it.
    """

    compare: Callable[[Pixels, Pixels], float]
    numerics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Framed:
    """Two images of a size with the windows that go over them.

    Where a window is shorter than 11, the images have a margin under those weights that are zero.

    Attributes:
        first: At least 11 pixels a side.
        second: Of the same size.
        down: Weights along the height.
        across: Weights along the width.
    """

    first: Pixels
    second: Pixels
    down: Weights
    across: Weights


def window(side: int) -> Weights:
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
    framed = frame(first, second)
    x, y = rows_of(framed.first), rows_of(framed.second)
    sums = np.zeros(x.shape[1] - (WINDOW - 1) * _CHANNELS)
    add_similarity(x, y, framed.down, framed.across, sums)
    return math.fsum(sums) / float((len(x) - WINDOW + 1) * len(sums))


KERNEL = Similarity(ssim)
"""The compiled kernel: the same values on every processor, so scores' numerics do not name it."""


def frame(first: Pixels, second: Pixels) -> Framed:
    """Two images as windows go over them.

    Raises:
        ValueError: The sizes differ, or a side is shorter than 8 pixels.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes {first.shape} and {second.shape} differ")
    height, width, _ = first.shape
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"{width} x {height} pixels: at least {MIN_SIDE} a side are needed")
    down, across = window(height), window(width)
    above, aside = (int(np.sum(weights == 0)) // 2 for weights in (down, across))
    if above or aside:
        margin = ((above, above), (aside, aside), (0, 0))
        first, second = np.pad(first, margin), np.pad(second, margin)
    return Framed(first, second, down, across)


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


def ssim_score(image: Image.Image, vlm_size: int, similarity: Similarity = KERNEL) -> float:
    """SSIMScore (paper section 3.3): how much of an image survives the VLM's preprocessing.

    Args:
        image: RGB, at least 8 pixels a side.
        vlm_size: Input size of the VLM, in pixels (336 in the paper).
        similarity: What computes the index.

    Returns:
        -1 to 1.
    """
    pixels = np.asarray(image)
    return similarity.compare(pixels, through_vlm(pixels, vlm_size))
