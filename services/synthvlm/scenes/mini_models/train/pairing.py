"""Pairs noise with scenes: what a teacher would draw from a noise, corrected and drawn cleanly.

A caption leaves much open: where a lone thing lies, its size, the background. A denoiser that sees
pure noise cannot know what will be drawn and predicts all of it at once, and what it then draws is
sometimes two things where one is asked for. If every noise has its own scene, there is nothing left
to be unsure of (reflow, Liu et al. 2022, arXiv 2209.03003). The scene is not the teacher's
image itself, which may be false or smeared, but the nearest drawing for which the caption is true.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.scenes.captions import meaning_of
from synthvlm.scenes.grammar import Meaning
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Mix, Scene, Thing, sample_scene

ROUGH: Final = 32  # scenes that are compared to find background, sizes and place
FINE: Final = 16  # scenes of that kind that are compared to find the exact place
_COARSE: Final = 4  # pixels; images are compared in squares of this side

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A scene and how it looks, uint8 (64, 64, 3)."""

    scene: Scene
    pixels: Pixels


def similar_scenes(scene: Scene, meaning: Meaning, rng: random.Random) -> Iterator[Scene]:
    """Draws scenes without end that are like ``scene`` in all that ``meaning`` claims of it.

    What is not claimed is drawn as the world draws it.

    Args:
        scene: A scene of which ``meaning`` is true.
        meaning: What must stay.
        rng: Decides the rest.
    """
    mix = _mix_of(scene)
    sized = any(g.size is not None for g in meaning.groups)
    while True:
        drawn = sample_scene(rng, mix)
        if len(drawn.things) != len(scene.things):
            continue
        things = zip(drawn.things, scene.things, strict=True)
        other = Scene(
            scene.background if meaning.background else drawn.background,
            tuple(_dress(place, kind, sized=sized) for place, kind in things),
        )
        if holds(meaning, other):
            yield other


def nearest_drawing(image: Pixels, scene: Scene, meaning: Meaning, rng: random.Random) -> Drawing:
    """The drawing most like ``image`` among scenes of which ``meaning`` is true.

    Args:
        image: uint8 (64, 64, 3).
        scene: Any scene of which ``meaning`` is true.
        meaning: What must hold.
        rng: Decides which scenes are compared.
    """
    rough = _nearest(image, islice(similar_scenes(scene, meaning, rng), ROUGH))
    exact = meaning_of(rough.scene, rng, detail=3)
    fine = islice(similar_scenes(rough.scene, exact, rng), FINE)
    return _nearest(image, (rough.scene, *fine))


def _nearest(image: Pixels, scenes: Iterator[Scene] | tuple[Scene, ...]) -> Drawing:
    look = _coarse(image)
    drawings = [Drawing(scene, render(scene)) for scene in scenes]
    return min(drawings, key=lambda d: float(np.square(_coarse(d.pixels) - look).sum()))


def _coarse(image: Pixels) -> NDArray[np.float32]:
    side = image.shape[0] // _COARSE
    return image.reshape(side, _COARSE, side, _COARSE, 3).mean((1, 3), dtype=np.float32)


def _mix_of(scene: Scene) -> Mix:
    """The mix that draws scenes laid out as ``scene``."""
    kinds = {(t.colour, t.shape) for t in scene.things}
    if len(scene.things) == 1:
        return Mix(1, 0, 0)
    return Mix(0, 1, 0) if len(scene.things) == len(kinds) == 2 else Mix(0, 0, 1)


def _dress(place: Thing, kind: Thing, *, sized: bool) -> Thing:
    size = kind.size if sized else place.size
    return replace(place, colour=kind.colour, shape=kind.shape, size=size)
