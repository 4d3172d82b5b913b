"""K-means (Lloyd, 1982) of points whose coordinates are whole numbers.

Centroids are rounded to whole numbers as well. Floats hold all sums of these exactly, in whatever
order they are added, so the same points in the same order give the same clusters on any machine.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_STARTS: Final = 4
"""Beginnings that are tried; of their ends the best is taken."""

_ITERATIONS: Final = 50

_FAR: Final = 2.0**30
"""More than any squared distance."""


def k_means(points: Floats, most: int) -> Floats:
    """Centroids of at most ``most`` clusters, (clusters, dimensions).

    They are fewer if fewer points differ.

    Args:
        points: Whole numbers, of at most 2^12 in length, (points, dimensions).
        most: Number of clusters, at least 1.
    """
    if not len(points):
        return points
    random = np.random.default_rng(0)
    ends = [_settled(points, _spread(points, most, random)) for _ in range(_STARTS)]
    return min(ends, key=lambda centroids: float(nearest(points, centroids)[1].sum()))


def nearest(points: Floats, centroids: Floats) -> tuple[Integers, Floats]:
    """The nearest centroid of each point, of equally near ones the first; its squared distance."""
    distances = points @ (-2 * centroids.T)
    distances += (centroids * centroids).sum(axis=1)
    distances += (points * points).sum(axis=1, keepdims=True)
    return distances.argmin(axis=1), distances.min(axis=1)


def _spread(points: Floats, most: int, random: np.random.Generator) -> Floats:
    """Different points, each likelier the farther it is from those before it.

    As in k-means++ (Arthur and Vassilvitskii, 2007).
    """
    chosen: list[int] = []
    distances = np.full(len(points), _FAR)
    while len(chosen) < most and distances.any():
        ends = np.cumsum(distances)
        chosen.append(int(np.searchsorted(ends, random.random() * ends[-1], side="right")))
        np.minimum(distances, nearest(points, points[chosen[-1:]])[1], out=distances)
    return points[chosen]


def _settled(points: Floats, centroids: Floats) -> Floats:
    """Centroids of the points that are nearest to them, repeated until no point changes."""
    numbers = np.full(len(points), -1)
    for _ in range(_ITERATIONS):
        before, (numbers, _) = numbers, nearest(points, centroids)
        if np.array_equal(numbers, before):
            break
        members = numbers == np.arange(len(centroids))[:, None]
        # A cluster that lost all of its points is given up.
        members = members[members.any(axis=1)]
        centroids = np.rint(members @ points / members.sum(axis=1, keepdims=True))
    return centroids
