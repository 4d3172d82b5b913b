"""The structural similarity index of rows of pixels, compiled when it is first called.

float64, and only additions, multiplications and divisions in a fixed order: Numba keeps that order
unless it is told otherwise, so every processor rounds alike, whatever vectors it has.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
"""The constants of Wang et al. 2004 for 8-bit values."""

_TILE = 1024
"""Values of a row worked on at a time: what is known of the rows of a window fits an L2 cache."""


@njit(nogil=True)
def add_similarity(
    first: npt.NDArray[np.uint8],
    second: npt.NDArray[np.uint8],
    down: npt.NDArray[np.float64],
    across: npt.NDArray[np.float64],
    channels: int,
    sums: npt.NDArray[np.float64],
) -> None:
    """Adds the index at all positions of the window to the sums of their columns.

    Bands of an image may be given one after the other, from the top, each beginning
    ``len(down) - 1`` rows before the end of the last: the sums are those of the whole.

    Args:
        first: Shape (rows, width x channels).
        second: The same shape.
        down: Weights of the window along the height, symmetric, an odd number.
        across: Weights along the width, likewise.
        channels: Values of a pixel.
        sums: Shape ((width - len(across) + 1) x channels); changed.
    """
    rows, values = first.shape
    height, width = len(down), len(across)
    margin = (width - 1) * channels
    # For each row of the window: x, y, x², y² and xy.
    window = np.empty((height, 5, _TILE + margin))
    smooth_down = np.empty((5, _TILE + margin))
    smooth = np.empty((5, _TILE))
    for left in range(0, values - margin, _TILE):
        places = min(_TILE, values - margin - left)
        for row in range(rows):
            x, y, xx, yy, xy = window[row % height]
            for j in range(places + margin):
                p, q = np.float64(first[row, left + j]), np.float64(second[row, left + j])
                x[j], y[j], xx[j], yy[j], xy[j] = p, q, p * p, q * q, p * q
            if row < height - 1:
                continue
            top = row + 1
            for plane in range(5):
                total = smooth_down[plane]
                middle = window[(top + height // 2) % height, plane]
                for j in range(places + margin):
                    total[j] = middle[j] * down[height // 2]
                for k in range(height // 2):
                    above = window[(top + k) % height, plane]
                    below = window[(top + height - 1 - k) % height, plane]
                    for j in range(places + margin):
                        total[j] += (above[j] + below[j]) * down[k]
                mean = smooth[plane]
                for j in range(places):
                    mean[j] = total[j + width // 2 * channels] * across[width // 2]
                for k in range(width // 2):
                    before, after = total[k * channels :], total[(width - 1 - k) * channels :]
                    for j in range(places):
                        mean[j] += (before[j] + after[j]) * across[k]
            mean_x, mean_y, mean_xx, mean_yy, mean_xy = smooth
            column = sums[left : left + places]
            for j in range(places):
                both = mean_x[j] * mean_y[j]
                square_x, square_y = mean_x[j] * mean_x[j], mean_y[j] * mean_y[j]
                variances = (mean_xx[j] - square_x) + (mean_yy[j] - square_y)
                covariance = mean_xy[j] - both
                column[j] += ((2 * both + C1) * (2 * covariance + C2)) / (
                    (square_x + square_y + C1) * (variances + C2)
                )
