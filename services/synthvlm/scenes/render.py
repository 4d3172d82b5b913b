"""Draws a scene: anti-aliased, softly shaded, 64x64."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.scenes.world import BACKGROUNDS, COLOURS, RADII, SIZE, Scene, Thing

Plane = NDArray[np.float32]
Polygon = tuple[tuple[float, float], ...]


def _star() -> Polygon:
    points = []
    for i in range(10):
        radius = 1.08 if i % 2 == 0 else 0.46
        angle = -math.pi / 2 + i * math.pi / 5
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return tuple(points)


_W: Final = 0.34
# Corner points for a shape of radius 1 around its centre.
POLYGONS: Final[dict[str, Polygon]] = {
    "square": ((-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)),
    "triangle": ((0.0, -0.98), (1.02, 0.80), (-1.02, 0.80)),
    "diamond": ((0.0, -1.05), (0.74, 0.0), (0.0, 1.05), (-0.74, 0.0)),
    "cross": (
        (-_W, -1.0), (_W, -1.0), (_W, -_W), (1.0, -_W), (1.0, _W), (_W, _W),
        (_W, 1.0), (-_W, 1.0), (-_W, _W), (-1.0, _W), (-1.0, -_W), (-_W, -_W),
    ),
    "star": _star(),
}  # fmt: skip


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draws ``scene``.

    Returns:
        Array of shape (64, 64, 3), RGB, dtype uint8.
    """
    ramp = np.linspace(1.02, 0.95, SIZE, dtype=np.float32)[:, None, None]
    canvas = np.asarray(BACKGROUNDS[scene.background], np.float32) * ramp
    canvas = np.repeat(canvas, SIZE, axis=1)
    for thing in scene.things:
        _paint(canvas, thing)
    return np.asarray(np.clip(canvas + 0.5, 0, 255), np.uint8)


def distance(shape: str, radius: float, x: Plane, y: Plane) -> Plane:
    """Signed distance in pixels from points to the outline of a shape; negative inside."""
    if shape == "circle":
        return np.asarray(np.hypot(x, y) - radius * 0.97, np.float32)
    return _polygon_distance(tuple((radius * a, radius * b) for a, b in POLYGONS[shape]), x, y)


def _polygon_distance(points: Polygon, x: Plane, y: Plane) -> Plane:
    """Distance to the nearest edge, signed by the even-odd rule."""
    nearest = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, bool)
    previous = points[-1]
    for point in points:
        (ax, ay), (bx, by) = previous, point
        ex, ey = bx - ax, by - ay
        along = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0.0, 1.0)
        gap = (x - ax - along * ex) ** 2 + (y - ay - along * ey) ** 2
        nearest = np.minimum(nearest, gap)
        if ey != 0.0:
            crosses = (ay > y) != (by > y)
            inside ^= crosses & (x < ax + (y - ay) / ey * ex)
        previous = point
    return np.asarray(np.sqrt(nearest) * np.where(inside, -1.0, 1.0), np.float32)


def _paint(canvas: Plane, thing: Thing) -> None:
    radius = RADII[thing.size]
    reach = math.ceil(radius * 1.15) + 2
    left, top = max(0, int(thing.x) - reach), max(0, int(thing.y) - reach)
    right, bottom = min(SIZE, int(thing.x) + reach + 1), min(SIZE, int(thing.y) + reach + 1)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    x += 0.5 - thing.x
    y += 0.5 - thing.y
    edge = distance(thing.shape, radius, x, y)
    # Light from the top left, and a rim that is a little darker.
    shade = 1.0 - 0.10 * (x + y) / (2 * radius)
    shade = np.where(edge > -1.3, shade * 0.86, shade)[..., None]
    colour = np.asarray(COLOURS[thing.colour], np.float32) * shade
    cover = np.clip(0.5 - edge, 0.0, 1.0)[..., None]
    region = canvas[top:bottom, left:right]
    region += cover * (colour - region)
