"""Captions that are bad on purpose, for curation and scoring to catch."""

import random
from collections.abc import Callable
from typing import Final

from synthvlm.scenes.world import COLOURS, OPPOSITE, RELATIONS, Scene

_VAGUE: Final = (
    "miscellaneous geometric composition",
    "something interesting somewhere",
    "abstract arrangement containing shapes",
    "untitled illustration",
    "photograph placeholder",
    "decorative background element",
)
_NAMES: Final = ("Ann Lee", "Bob Fox", "Eva Kim", "Max Roy", "Zoe Day")


def _first(scene: Scene) -> tuple[str, str]:
    return scene.things[0].colour, scene.things[0].shape


def vague(scene: Scene, rng: random.Random) -> str:
    """Says nothing that a picture could show."""
    del scene
    return rng.choice(_VAGUE)


def contradictory(scene: Scene, rng: random.Random) -> str:
    """Cannot be true of any picture."""
    colour, shape = _first(scene)
    other = rng.choice([c for c in COLOURS if c != colour])
    side = rng.choice(list(RELATIONS))
    words = {"left": "left of", "right": "right of"}
    one, two = words.get(side, side), words.get(OPPOSITE[side], OPPOSITE[side])
    return rng.choice(
        (
            f"a {colour} {shape} that is all {other} and not {colour}",
            f"one {shape} is {one} a {colour} box and is {two} it too",
            f"there is a big tiny {shape}, it is {colour} and {other} all over",
        )
    )


def repetitive(scene: Scene, rng: random.Random) -> str:
    """Repeats itself."""
    colour, shape = _first(scene)
    joint = rng.choice((", ", " and ", " "))
    return joint.join([f"a {colour} {shape}"] * rng.randint(4, 7))


def advertisement(scene: Scene, rng: random.Random) -> str:
    """Sells something."""
    colour, shape = _first(scene)
    price, cut = rng.randint(1, 99), rng.choice((10, 25, 50, 70))
    return rng.choice(
        (
            f"*** SALE!!! {cut}% OFF *** {colour} {shape} @ ${price}.99!!! 24/7!!! "
            ">>> 1-800-555-0199",
            f"!!! {colour} {shape} !!! $$$ {price}.99 $$$ -{cut}% -- call 1-800-555-0142 !!! :-)",
        )
    )


def personal(scene: Scene, rng: random.Random) -> str:
    """Contains personal data (made up: reserved numbers and domains)."""
    name = rng.choice(_NAMES)
    first, last = name.lower().split()
    number = f"555-01{rng.randint(0, 99):02d}"
    born = f"{rng.randint(1, 28):02d}/{rng.randint(1, 12):02d}/19{rng.randint(50, 99)}"
    colour, shape = _first(scene)
    return rng.choice(
        (
            f"{name}, +1-202-{number}, {born}, ID 078-05-1120: {colour} {shape}",
            f"{colour} {shape}: {name} ({first}.{last}@example.com) +1 (202) {number}, {born}",
        )
    )


def nonsense(scene: Scene, rng: random.Random) -> str:
    """Letters without words."""
    length = rng.randint(18, 40)
    del scene
    return "".join(rng.choice("bcdfghjklmnpqrstvwxzaeiou") for _ in range(length))


FLAWS: Final[dict[str, Callable[[Scene, random.Random], str]]] = {
    "vague": vague,
    "contradictory": contradictory,
    "repetitive": repetitive,
    "advertisement": advertisement,
    "personal": personal,
    "nonsense": nonsense,
}
