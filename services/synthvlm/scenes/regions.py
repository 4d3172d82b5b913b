"""Regions of small boolean images: pieces, distances to the outside, and growth by a pixel.

Written out, as SciPy would be a third of an image that needs nothing else of it.
"""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def pieces(mask: Mask) -> tuple[NDArray[np.int64], int]:
    """Numbers the pieces of ``mask``, whose pixels touch by their sides.

    Returns:
        The number of each pixel's piece, from 1 in the order of their first pixels by rows, and 0
        outside; and how many pieces there are.
    """
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(steps == 1)
    end = np.nonzero(steps == -1)[1]
    # Runs of pixels in a row belong together where they overlap one of the row above.
    below = row == row[:, None] + 1
    pairs = np.nonzero(below & (start < end[:, None]) & (start[:, None] < end))
    first = list(range(len(row)))
    for pair in zip(*(side.tolist() for side in pairs), strict=True):
        one, other = (_root(first, run) for run in pair)
        first[max(one, other)] = min(one, other)
    roots, number = np.unique([_root(first, run) for run in first], return_inverse=True)
    numbered = np.zeros(mask.shape, np.int64)
    numbered[mask] = np.repeat(number + 1, end - start)
    return numbered, len(roots)


def depth(mask: Mask) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest one outside of ``mask``, of which there must be one."""
    height, width = mask.shape
    far = height**2 + width**2
    by_column = (_squares(height)[:, :, None] + np.where(mask, far, 0)).min(axis=1)
    return np.asarray(np.sqrt((_squares(width) + by_column[:, None]).min(axis=2)))


def grown(mask: Mask) -> Mask:
    """``mask`` with the pixels that touch it by a side."""
    larger = mask.copy()
    larger[1:] |= mask[:-1]
    larger[:-1] |= mask[1:]
    larger[:, 1:] |= mask[:, :-1]
    larger[:, :-1] |= mask[:, 1:]
    return larger


def _root(first: list[int], run: int) -> int:
    while first[run] != run:
        run = first[run]
    return run


def _squares(count: int) -> NDArray[np.int64]:
    """Squares of the distances between ``count`` places."""
    places = np.arange(count)
    return (places[:, None] - places) ** 2
