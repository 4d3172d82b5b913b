"""The scene world: coloured shapes on a plain background, sampled from a seed.

A scene is everything that is true of an image: it is drawn by ``render``, put into words by
``captions`` and read back from pixels by ``oracle``. All coordinates are pixels of a 64x64 image,
x to the right, y down.
"""

import random
from dataclasses import dataclass
from typing import Final

SIZE: Final = 64

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (222, 38, 42),
    "green": (40, 158, 62),
    "blue": (40, 78, 222),
    "yellow": (243, 208, 30),
    "purple": (138, 52, 182),
    "orange": (246, 130, 22),
    "pink": (247, 128, 186),
    "black": (26, 26, 28),
}
BACKGROUNDS: Final[dict[str, tuple[int, int, int]]] = {
    "white": (249, 249, 249),
    "grey": (158, 158, 160),
    "cream": (231, 213, 174),
    "cyan": (150, 224, 231),
}
SHAPES: Final = ("circle", "square", "triangle", "star", "cross", "diamond")
RADII: Final[dict[str, float]] = {"small": 8.5, "big": 13.0}

# Centres of a lone object by the name of its place; two to four objects use _SPREAD and _QUARTERS.
PLACES: Final[dict[str, tuple[int, int]]] = {
    "middle": (32, 32),
    "top left": (17, 17),
    "top right": (47, 17),
    "bottom left": (17, 47),
    "bottom right": (47, 47),
}
RELATIONS: Final[dict[str, tuple[int, int]]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
OPPOSITE: Final = {"left": "right", "right": "left", "above": "below", "below": "above"}
_SPREAD: Final = 15
_QUARTERS: Final = ((17, 17), (47, 17), (17, 47), (47, 47))


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: what it is and where its centre lies, in pixels."""

    shape: str
    colour: str
    size: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A background and one to four things that do not overlap."""

    background: str
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """How often a scene has one, two (of different kinds), or grouped two to four things."""

    one: float = 0.42
    two: float = 0.44
    group: float = 0.14


DEFAULT_MIX: Final = Mix()


def sample_scene(rng: random.Random, mix: Mix = DEFAULT_MIX) -> Scene:
    """Draws a scene; the same state of ``rng`` gives the same scene."""
    background = rng.choice(list(BACKGROUNDS))
    kind = rng.choices(("one", "two", "group"), (mix.one, mix.two, mix.group))[0]
    draw = {"one": _one, "two": _two, "group": _group}[kind]
    return Scene(background, draw(rng))


def relation_between(a: Thing, b: Thing) -> str:
    """Names the side of ``b`` on which ``a`` lies, along the axis where they are further apart."""
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) >= abs(dy):
        return "left" if dx < 0 else "right"
    return "above" if dy < 0 else "below"


def place_of(thing: Thing) -> str:
    """Names the place of the image that is nearest to the centre of ``thing``."""
    return min(PLACES, key=lambda p: (thing.x - PLACES[p][0]) ** 2 + (thing.y - PLACES[p][1]) ** 2)


def _kind(rng: random.Random) -> tuple[str, str]:
    return rng.choice(SHAPES), rng.choice(list(COLOURS))


def _jitter(rng: random.Random, centre: float, reach: float) -> float:
    return round(centre + rng.uniform(-reach, reach), 2)


def _one(rng: random.Random) -> tuple[Thing, ...]:
    shape, colour = _kind(rng)
    # The middle is where most pictures have their subject.
    place = rng.choices(list(PLACES), (4, 1, 1, 1, 1))[0]
    x, y = PLACES[place]
    reach = 3.0 if place == "middle" else 2.0
    size = rng.choice(list(RADII))
    return (Thing(shape, colour, size, _jitter(rng, x, reach), _jitter(rng, y, reach)),)


def _two(rng: random.Random) -> tuple[Thing, ...]:
    first = _kind(rng)
    second = _kind(rng)
    while second == first:
        second = _kind(rng)
    dx, dy = RELATIONS[rng.choice(list(RELATIONS))]
    things = []
    for sign, (shape, colour) in ((1, first), (-1, second)):
        # Little freedom along the axis of the relation keeps big things apart.
        x = _jitter(rng, SIZE / 2 + sign * dx * _SPREAD, 1.0 if dx else 4.0)
        y = _jitter(rng, SIZE / 2 + sign * dy * _SPREAD, 1.0 if dy else 4.0)
        things.append(Thing(shape, colour, rng.choice(list(RADII)), x, y))
    return tuple(things)


def _group(rng: random.Random) -> tuple[Thing, ...]:
    count = rng.choice((2, 3, 3, 4))
    kinds = [_kind(rng)] * count
    if count > 2 and rng.random() < 0.5:
        other = _kind(rng)
        while other == kinds[0]:
            other = _kind(rng)
        kinds[-1] = other
    size = rng.choice(list(RADII))
    corners = rng.sample(_QUARTERS, count)
    return tuple(
        Thing(shape, colour, size, _jitter(rng, x, 1.5), _jitter(rng, y, 1.5))
        for (shape, colour), (x, y) in zip(kinds, corners, strict=True)
    )
