"""Square pictures resized by Pillow's antialiased bicubic filter, to the same bytes, by vectors.

Pillow resizes rows and then columns, each in fixed point with sums rounded to 8 bits, one value at
a time. Here, many are made at once: their sums are exact, so their order does not matter. Pictures
that are not square are left to Pillow, which takes columns first for some of them.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synthvlm.alignment.compiled import Pixels, Rows, compiled, rows_of

_BITS = 22
"""Of the fraction of a weight."""

_CHANNELS = 3
_BLOCK = 16
"""Rows that are resized at once."""

_TAPS = 4
"""Weights taken at once."""

_Weights = npt.NDArray[np.int32]
_Places = npt.NDArray[np.int64]


def resize_square(pixels: Pixels, side: int) -> Pixels:
    """What Pillow's ``resize((side, side), BICUBIC)`` makes of a square picture."""
    before = len(pixels)
    if side == before:
        return pixels
    starts, weights = _windows(before, side)
    narrow = np.empty((before, side * _CHANNELS), np.uint8)
    _across(rows_of(pixels), starts, weights, narrow)
    resized = np.empty((side, side * _CHANNELS), np.uint8)
    _down(narrow, starts, weights, resized)
    return resized.reshape(side, side, _CHANNELS)


@lru_cache(maxsize=256)
def _windows(before: int, after: int) -> tuple[_Places, _Weights]:
    """Where the window of each place begins, and its weights.

    Every window has as many weights, a multiple of ``_TAPS``, with zeros behind.

    Args:
        before: Pixels along an axis.
        after: Pixels that it is resized to.
    """
    scale = before / after
    stretch = max(scale, 1.0)
    centres = (np.arange(after) + 0.5) * scale
    starts = np.maximum((centres - 2 * stretch + 0.5).astype(np.int64), 0)
    ends = np.minimum((centres + 2 * stretch + 0.5).astype(np.int64), before)
    most = int((ends - starts).max())
    places = np.arange(most + -most % _TAPS) + starts[:, None]
    values = _bicubic((places - centres[:, None] + 0.5) * (1.0 / stretch))
    values[places >= ends[:, None]] = 0
    # One after the other, as Pillow adds them: NumPy's own sum rounds otherwise.
    values /= np.cumsum(values, axis=1)[:, -1:]
    return starts, np.trunc(values * (1 << _BITS) + np.copysign(0.5, values)).astype(np.int32)


def _bicubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic convolution with a = -0.5, in Pillow's order."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


@compiled
def _rounded(total: int) -> int:
    return min(max(total >> _BITS, 0), 255)


@compiled
def _across(rows: Rows, starts: _Places, weights: _Weights, resized: Rows) -> None:
    """Resizes rows of pixels, a block of rows at a time, turned so that its columns are vectors."""
    count, values = rows.shape
    pixel = _CHANNELS * _BLOCK
    # Windows of the last pixels reach beyond them, with weights of zero.
    block = np.zeros(values * _BLOCK + weights.shape[1] * pixel, np.uint8)
    totals = np.empty(pixel, np.int32)
    made = np.empty(pixel, np.uint8)
    for top in range(0, count, _BLOCK):
        here = min(_BLOCK, count - top)
        for row in range(here):
            line = rows[top + row]
            for i in range(values):
                block[i * _BLOCK + row] = line[i]
        for x in range(len(starts)):
            totals[:] = 1 << _BITS - 1
            for tap in range(0, weights.shape[1], _TAPS):
                w0, w1 = weights[x, tap], weights[x, tap + 1]
                w2, w3 = weights[x, tap + 2], weights[x, tap + 3]
                seen = block[(starts[x] + tap) * pixel :]
                for i in range(pixel):
                    totals[i] += (
                        np.int32(seen[i]) * w0
                        + np.int32(seen[i + pixel]) * w1
                        + np.int32(seen[i + 2 * pixel]) * w2
                        + np.int32(seen[i + 3 * pixel]) * w3
                    )
            for i in range(pixel):
                made[i] = _rounded(totals[i])
            for channel in range(_CHANNELS):
                for row in range(here):
                    resized[top + row, x * _CHANNELS + channel] = made[channel * _BLOCK + row]


@compiled
def _down(rows: Rows, starts: _Places, weights: _Weights, resized: Rows) -> None:
    """Resizes columns: each row made is a weighted sum of rows."""
    count, values = rows.shape
    totals = np.empty(values, np.int32)
    for y in range(len(starts)):
        totals[:] = 1 << _BITS - 1
        for tap in range(min(weights.shape[1], count - starts[y])):
            weight = weights[y, tap]
            line = rows[starts[y] + tap]
            for j in range(values):
                totals[j] += np.int32(line[j]) * weight
        for j in range(values):
            resized[y, j] = _rounded(totals[j])
