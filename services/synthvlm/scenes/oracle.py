"""Reads a scene back from pixels and judges captions by it.

The oracle knows what shapes look like and nothing about how an image was made. It separates things
from the background by colour, compares the coverage of each with the known shapes of equal area,
and checks the caption's meaning against the resulting scene. It also reads imperfect images; its
confidence says how clear-cut the reading was.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthvlm.scenes import regions
from synthvlm.scenes.grammar import parse
from synthvlm.scenes.render import distance
from synthvlm.scenes.truth import failures
from synthvlm.scenes.world import BACKGROUNDS, COLOURS, RADII, SHAPES, SIZE, Scene, Thing

Floats = NDArray[np.float64]

_FOREGROUND: Final = 42.0  # RGB distance from the background at which a thing begins
_SPECK: Final = 14.0  # pixels; smaller things are noise
_OVERLAP: Final = 0.74  # intersection over union below which a thing has no known shape
_ROUND: Final = 0.87
"""Overlap from which a circle is certain: every smudge overlaps a circle somewhat."""
_SMUDGED: Final = 0.03  # how much less than such a circle another shape may overlap
_SHADES: Final = (0.76, 1.14)
_BORDER: Final = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What was seen; ``confidence`` in [0, 1] is that of the least certain thing.

    ``oddities`` lists things that do not belong to the world: malformed shapes, strange colours.
    """

    scene: Scene
    confidence: float
    oddities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a caption is true of an image, how surely, and why not.

    ``true`` is None when the caption is not in the language of the scene world.
    """

    true: bool | None
    confidence: float
    reasons: tuple[str, ...]


def judge(image: NDArray[np.uint8], caption: str) -> Verdict:
    """Decides whether ``caption`` is true of ``image`` (RGB, uint8, any size)."""
    meaning = parse(caption)
    if meaning is None:
        return Verdict(None, 1.0, ("the caption is not in the language of the scene world",))
    reading = read(image)
    reasons = (*reading.oddities, *failures(meaning, reading.scene))
    return Verdict(not reasons, reading.confidence, reasons)


def read(image: NDArray[np.uint8]) -> Reading:
    """Reads the scene of ``image`` (RGB, uint8, any size)."""
    pixels = _to_world_size(image)
    frame = np.ones((SIZE, SIZE), bool)
    frame[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    ground = np.median(pixels[frame], axis=0)
    background, ground_confidence = _nearest(ground, BACKGROUNDS, (0.94, 1.03))
    mask = np.linalg.norm(pixels - ground, axis=-1) > _FOREGROUND
    things: list[Thing] = []
    shapeless: Counter[str] = Counter()
    confidences = [ground_confidence]
    for cover, colour, surety in _split(pixels, mask, ground):
        thing, overlap, shape_surety = _recognise(cover, colour)
        confidences += [surety, shape_surety]
        things.append(thing)
        if overlap < _OVERLAP:
            shapeless[colour] += 1
    oddities = (
        f"one {colour} thing has no clear shape"
        if n == 1
        else f"{n} {colour} things have no clear shape"
        for colour, n in shapeless.items()
    )
    return Reading(
        Scene(background, tuple(things)), float(np.clip(min(confidences), 0, 1)), tuple(oddities)
    )


def _to_world_size(image: NDArray[np.uint8]) -> Floats:
    if image.shape[:2] != (SIZE, SIZE):
        image = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BOX))
    return image.astype(np.float64)


def _nearest(
    pixel: Floats, palette: dict[str, tuple[int, int, int]], shades: tuple[float, float]
) -> tuple[str, float]:
    """Names the nearest colour, with how much nearer it is than the second, in [0, 1]."""
    gaps = sorted(
        (float(_gap(pixel, np.asarray(c, float), shades)), name) for name, c in palette.items()
    )
    return gaps[0][1], (gaps[1][0] - gaps[0][0]) / (gaps[1][0] + gaps[0][0] + 1e-9)


def _gap(pixels: Floats, colour: Floats, shades: tuple[float, float]) -> Floats:
    shade = np.clip((pixels @ colour) / (colour @ colour), *shades)
    return np.asarray(np.linalg.norm(pixels - shade[..., None] * colour, axis=-1))


def _split(
    pixels: Floats, mask: NDArray[np.bool_], ground: Floats
) -> list[tuple[Floats, str, float]]:
    """Splits the foreground into things: coverage in [0, 1], colour, confidence of the colour."""
    names = list(COLOURS)
    gaps = np.stack([_gap(pixels, np.asarray(c, float), _SHADES) for c in COLOURS.values()])
    nearest = gaps.argmin(0)
    depth = regions.depth(np.pad(mask, 1))[1:-1, 1:-1]
    labels, count = regions.pieces(mask)
    things = []
    for i in range(1, count + 1):
        blob = labels == i
        if blob.sum() < _SPECK:
            continue
        # Pixels at the rim are mixed with the background, so the inner half votes.
        core = blob & (depth >= max(1.0, 0.5 * float(depth[blob].max())))
        votes = np.bincount(nearest[core], minlength=len(names))
        for k in np.flatnonzero(votes >= max(3, 0.2 * votes.sum())):
            own = blob & (_territory(core, nearest, int(k)) if votes[k] < votes.sum() else blob)
            cover = _coverage(pixels, own, core & (nearest == k), ground)
            pieces, n = regions.pieces(cover > 0.5)
            mean = np.median(pixels[core & (nearest == k)], axis=0)
            _, surety = _nearest(mean, COLOURS, _SHADES)
            for j in range(1, n + 1):
                if (pieces == j).sum() >= _SPECK:
                    near = regions.grown(pieces == j) & (pieces * (pieces != j) == 0)
                    things.append((cover * near, names[int(k)], surety))
    return things


def _territory(core: NDArray[np.bool_], nearest: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Pixels that are nearer to the core of colour ``k`` than to the rest of the core."""
    mine = regions.depth(~(core & (nearest == k)))
    other = regions.depth(~(core & (nearest != k)))
    return mine < other


def _coverage(
    pixels: Floats, own: NDArray[np.bool_], core: NDArray[np.bool_], ground: Floats
) -> Floats:
    """How much of every pixel the thing covers, from its mix with the background."""
    towards = np.median(pixels[core], axis=0) - ground
    share = np.clip((pixels - ground) @ towards / (towards @ towards), 0, 1)
    # The rim is darker and the light uneven: what is inside is fully covered.
    return np.where(regions.grown(own), np.clip((share - 0.08) / 0.78, 0, 1), 0.0)


def _recognise(cover: Floats, colour: str) -> tuple[Thing, float, float]:
    """Finds the shape, size and centre that explain a coverage best."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
    area = cover.sum()
    cx, cy = float((cover * x).sum() / area), float((cover * y).sum() / area)
    scores = []
    for shape in SHAPES:
        unit, drop = _unit(shape)
        radius = float(np.sqrt(area / unit))
        top = cy - drop * radius
        ideal = np.clip(0.5 - distance(shape, radius, x - cx, y - np.float32(top)), 0, 1)
        overlap = float(np.minimum(ideal, cover).sum() / np.maximum(ideal, cover).sum())
        scores.append((overlap, shape, radius, top))
    scores.sort(reverse=True)
    first, second = scores[:2]
    if first[1] == "circle" and first[0] < _ROUND and first[0] - second[0] < _SMUDGED:
        first, second = second, first
    overlap, shape, radius, top = first
    border = float(np.sqrt(RADII["small"] * RADII["big"]))
    size = "small" if radius < border else "big"
    size_surety = min(1.0, abs(np.log(radius / border)) / 0.2)
    shape_surety = min(1.0, abs(overlap - second[0]) / 0.06)
    return Thing(shape, colour, size, cx, top), overlap, min(size_surety, shape_surety)


@cache
def _unit(shape: str) -> tuple[float, float]:
    """Area of a shape of radius 1, and how far its centroid lies below its centre."""
    y, x = np.mgrid[-1.2:1.2:0.01, -1.2:1.2:0.01].astype(np.float32)
    inside = distance(shape, 1.0, x, y) < 0
    return float(inside.sum() * 1e-4), float(y[inside].mean())
