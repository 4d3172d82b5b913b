"""The structural similarity index (Wang et al. 2004), and the SSIMScore based on it.

The index is computed in float64 using only additions, multiplications and divisions of whole
arrays, which every processor rounds alike: an image's map is bit-identical everywhere, and its
value does not depend on what else is scored. Working in horizontal strips that fit the cache is
several times as fast as convolving whole planes, and bounds memory.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

SIGMA = 1.5
"""Standard deviation of the Gaussian window, in pixels."""

WINDOW = 11
"""Side of the window in pixels, if the image is at least as large."""

MIN_SIDE = 8
"""Minimum width and height of an image, in pixels."""

_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
STRIP_VALUES = 32_768
"""Values of one plane processed at a time: five planes of float64 fit an L2 cache."""
_BAND_BYTES = 4 * 2**20
"""Bytes of pixels that are made into an array at a time."""

Pixels = npt.NDArray[np.uint8]
"""uint8 RGB of shape (height, width, 3)."""

_Values = npt.NDArray[np.float64]


class Rows:
    """The pixels of an image, made into arrays as they are asked for: a band of rows at a time."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._rows = max(1, _BAND_BYTES // (image.width * 3))
        self._top, self._bottom = 0, 0
        self._band: Pixels | None = None
        self.shape = (image.height, image.width, 3)

    def __getitem__(self, rows: slice) -> Pixels:
        if self._band is None or rows.start < self._top or rows.stop > self._bottom:
            self._top = rows.start
            self._bottom = min(self._image.height, max(rows.stop, rows.start + self._rows))
            band = self._image.crop((0, self._top, self._image.width, self._bottom))
            self._band = np.asarray(band)
        return self._band[rows.start - self._top : rows.stop - self._top]


def window(side: int) -> _Values:
    """Weights of the Gaussian window along an axis of ``side`` pixels; their sum is 1.

    The window has 11 weights; along an axis shorter than that, the largest odd number that fits.
    """
    length = min(WINDOW, side - 1 + side % 2)
    offsets = range(-(length // 2), length // 2 + 1)
    weights = [math.exp(-(offset**2) / (2 * SIGMA**2)) for offset in offsets]
    return np.array(weights) / math.fsum(weights)


def ssim(first: Pixels | Rows, second: Pixels | Rows, strip_values: int = STRIP_VALUES) -> float:
    """Mean structural similarity of two images of the same size.

    The mean is over all positions where the window lies wholly within the image, and over the three
    channels, which are compared separately. This is scikit-image's ``structural_similarity`` with
    ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255``.

    Args:
        first: An image of at least 8 pixels a side.
        second: Another one of the same shape.
        strip_values: Values of one plane processed at a time; does not affect the result.

    Returns:
        -1 to 1; 1 exactly when the images are equal.

    Raises:
        ValueError: The shapes differ, or a side is shorter than 8 pixels.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes {first.shape} and {second.shape} differ")
    height, width, channels = first.shape
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"{width} x {height} pixels: at least {MIN_SIDE} a side are needed")
    down, across = window(height), window(width)
    margin = len(down) - 1
    places = height - margin
    strip = max(1, strip_values // (width * channels) - margin)
    sums: list[float] = []
    for top in range(0, places, strip):
        rows = slice(top, min(top + strip, places) + margin)
        sums.append(float(_map(first[rows], second[rows], down, across).sum()))
    return math.fsum(sums) / float(places * (width - len(across) + 1) * channels)


def _map(first: Pixels, second: Pixels, down: _Values, across: _Values) -> _Values:
    """The index at every position of the window in a strip."""
    x, y = first.astype(np.float64), second.astype(np.float64)
    planes = np.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = _smooth(_smooth(planes, 1, down), 2, across)
    mean_xy = mean_x * mean_y
    mean_x *= mean_x
    mean_y *= mean_y
    variances = (xx - mean_x) + (yy - mean_y)
    covariance = xy - mean_xy
    similarity: _Values = ((2 * mean_xy + _C1) * (2 * covariance + _C2)) / (
        (mean_x + mean_y + _C1) * (variances + _C2)
    )
    return similarity


def _smooth(planes: _Values, axis: int, weights: _Values) -> _Values:
    """Weighted means along an axis, only where the window fits. The window is symmetric."""
    length = len(weights)
    places = planes.shape[axis] - length + 1

    def shifted(offset: int) -> _Values:
        index = [slice(None)] * planes.ndim
        index[axis] = slice(offset, offset + places)
        return planes[tuple(index)]

    middle = length // 2
    total: _Values = shifted(middle) * weights[middle]
    pair = np.empty_like(total)
    for offset in range(middle):
        np.add(shifted(offset), shifted(length - 1 - offset), out=pair)
        pair *= weights[offset]
        total += pair
    return total


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
    return ssim(Rows(image), Rows(through_vlm(image, vlm_size)))
