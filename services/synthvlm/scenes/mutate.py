"""Scenes that differ from another one in one respect: the hardest to tell apart."""

import random
from dataclasses import replace
from typing import Final

from synthvlm.scenes.world import BACKGROUNDS, COLOURS, RADII, SHAPES, SIZE, Scene, Thing


def mutate(scene: Scene, rng: random.Random) -> Scene:
    """Changes one colour, shape, size, place or the background, or swaps what two things share."""
    kinds = ["colour", "shape", "size", "background"]
    weights = [3, 3, 1, 1]
    if len(scene.things) == 2:
        kinds += ["mirror", "swap colours", "swap shapes"]
        weights += [4, 3, 3]
    kind = rng.choices(kinds, weights)[0]
    things = list(scene.things)
    if kind == "background":
        return replace(scene, background=_other(BACKGROUNDS, scene.background, rng))
    if kind == "mirror":
        things = [replace(t, x=SIZE - t.x, y=SIZE - t.y) for t in things]
    elif kind == "swap colours":
        a, b = things
        things = [replace(a, colour=b.colour), replace(b, colour=a.colour)]
    elif kind == "swap shapes":
        a, b = things
        things = [replace(a, shape=b.shape), replace(b, shape=a.shape)]
    else:
        i = rng.randrange(len(things))
        value = _other(_VALUES[kind], getattr(things[i], kind), rng)
        things[i] = _with(things[i], kind, value)
    return replace(scene, things=tuple(things))


_VALUES: Final = {"colour": tuple(COLOURS), "shape": SHAPES, "size": tuple(RADII)}


def _other(values: object, current: str, rng: random.Random) -> str:
    choices = [v for v in values if v != current]  # type: ignore[attr-defined]
    return str(rng.choice(choices))


def _with(thing: Thing, kind: str, value: str) -> Thing:
    if kind == "colour":
        return replace(thing, colour=value)
    if kind == "shape":
        return replace(thing, shape=value)
    return replace(thing, size=value)
