"""The structural similarity index of two pictures, compiled when it is first called.

Of x and y, it smooths the sum s and the difference d, and their squares: they hold all that the
index is made of, as 2 (x² + y²) = s² + d² and 4 xy = s² - d², and these are four planes instead of
five. They are smoothed along rows, then down columns, a tile at a time, so that all of it stays in
the cache.

Only additions, multiplications and divisions in a fixed order: Numba keeps that order unless it is
told otherwise, so every processor rounds alike, whatever vectors it has. What is in float32 is
exact: integers of up to 2²⁰.
"""

import numpy as np
import numpy.typing as npt

from synthvlm.alignment.compiled import Rows, compiled

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
"""The constants of Wang et al. 2004 for 8-bit values."""

WINDOW = 11
"""Weights of the window each way."""

_CHANNELS = 3
_PLANES = 4
_TILE = 96
"""Values of a row worked on at a time: a window's rows of their planes fit an L1 cache."""

_STRIP = 128
"""Rows of a tile worked on at a time: all of their planes fit an L2 cache."""

_TOGETHER = 4
"""Rows made at once from the rows that their windows share."""

_SHARED = WINDOW - 1
_MARGIN = _SHARED * _CHANNELS
_WIDE = _TILE + _MARGIN
_ROW = _PLANES * _TILE

_Singles = npt.NDArray[np.float32]
_Doubles = npt.NDArray[np.float64]


@compiled
def add_similarity(
    first: Rows, second: Rows, down: _Doubles, across: _Doubles, sums: _Doubles
) -> None:
    """Adds the index at all positions of the window to the sums of their columns.

    Args:
        first: Shape (rows, width x channels); at least as many rows and pixels as the window.
        second: The same shape.
        down: Weights of the window along the height, symmetric.
        across: Weights along the width, likewise.
        sums: Shape ((width - WINDOW + 1) x channels); changed.
    """
    rows, values = first.shape
    planes = np.empty(_PLANES * _WIDE, np.float32)
    # Each row has a tile of each plane. Rows beyond the last are read, and not used.
    smooth = np.zeros((_STRIP + _SHARED + _TOGETHER) * _ROW)
    means = np.empty(_TOGETHER * _ROW)
    for left in range(0, values - _MARGIN, _TILE):
        places = min(_TILE, values - _MARGIN - left)
        right = left + places + _MARGIN
        column = sums[left : left + places]
        ready = 0
        for top in range(0, rows - _SHARED, _STRIP):
            if top:
                smooth[: _SHARED * _ROW] = smooth[_STRIP * _ROW : (_STRIP + _SHARED) * _ROW]
                ready = _SHARED
            here = min(_STRIP, rows - _SHARED - top)
            for row in range(0, here, _TOGETHER):
                made = min(_TOGETHER, here - row)
                for line in range(ready, row + made + _SHARED):
                    _combine(first[top + line, left:right], second[top + line, left:right], planes)
                    _smooth_across(planes, places, across, smooth, line * _ROW)
                ready = row + made + _SHARED
                _smooth_down(smooth, row * _ROW, places, down, means)
                for k in range(made):
                    _add(means, k * _ROW, column)


@compiled
def _combine(first: Rows, second: Rows, planes: _Singles) -> None:
    """The sum, the difference, and their squares."""
    for j in range(len(first)):
        x, y = np.float32(first[j]), np.float32(second[j])
        s, d = x + y, x - y
        planes[j] = s
        planes[_WIDE + j] = d
        planes[2 * _WIDE + j] = s * s
        planes[3 * _WIDE + j] = d * d


@compiled
def _smooth_across(
    planes: _Singles, places: int, across: _Doubles, smooth: _Doubles, start: int
) -> None:
    w0, w1, w2 = across[0], across[1], across[2]
    w3, w4, w5 = across[3], across[4], across[5]
    for plane in range(_PLANES):
        x = planes[plane * _WIDE :]
        mean = smooth[start + plane * _TILE :]
        for j in range(places):
            mean[j] = (
                np.float64(x[j + 15]) * w5
                + np.float64(x[j] + x[j + 30]) * w0
                + np.float64(x[j + 3] + x[j + 27]) * w1
                + np.float64(x[j + 6] + x[j + 24]) * w2
                + np.float64(x[j + 9] + x[j + 21]) * w3
                + np.float64(x[j + 12] + x[j + 18]) * w4
            )


@compiled
def _smooth_down(
    smooth: _Doubles, start: int, places: int, down: _Doubles, means: _Doubles
) -> None:
    w0, w1, w2 = down[0], down[1], down[2]
    w3, w4, w5 = down[3], down[4], down[5]
    for plane in range(_PLANES):
        x = smooth[start + plane * _TILE :]
        mean = means[plane * _TILE :]
        for j in range(places):
            x0, x1, x2, x3 = x[j], x[j + _ROW], x[j + 2 * _ROW], x[j + 3 * _ROW]
            x4, x5, x6 = x[j + 4 * _ROW], x[j + 5 * _ROW], x[j + 6 * _ROW]
            x7, x8, x9 = x[j + 7 * _ROW], x[j + 8 * _ROW], x[j + 9 * _ROW]
            x10, x11 = x[j + 10 * _ROW], x[j + 11 * _ROW]
            x12, x13 = x[j + 12 * _ROW], x[j + 13 * _ROW]
            m0 = x5 * w5 + (x0 + x10) * w0 + (x1 + x9) * w1
            m1 = x6 * w5 + (x1 + x11) * w0 + (x2 + x10) * w1
            m2 = x7 * w5 + (x2 + x12) * w0 + (x3 + x11) * w1
            m3 = x8 * w5 + (x3 + x13) * w0 + (x4 + x12) * w1
            mean[j] = m0 + (x2 + x8) * w2 + (x3 + x7) * w3 + (x4 + x6) * w4
            mean[_ROW + j] = m1 + (x3 + x9) * w2 + (x4 + x8) * w3 + (x5 + x7) * w4
            mean[2 * _ROW + j] = m2 + (x4 + x10) * w2 + (x5 + x9) * w3 + (x6 + x8) * w4
            mean[3 * _ROW + j] = m3 + (x5 + x11) * w2 + (x6 + x10) * w3 + (x7 + x9) * w4


@compiled
def _add(means: _Doubles, start: int, sums: _Doubles) -> None:
    """Equation 13 of Wang et al., with 2 C1 and 2 C2 as above and below the line are doubled."""
    x = means[start:]
    for j in range(len(sums)):
        s, d = x[j], x[_TILE + j]
        ss, dd = s * s, d * d
        variance_s, variance_d = x[2 * _TILE + j] - ss, x[3 * _TILE + j] - dd
        sums[j] += ((ss - dd + 2 * C1) * (variance_s - variance_d + 2 * C2)) / (
            (ss + dd + 2 * C1) * (variance_s + variance_d + 2 * C2)
        )
