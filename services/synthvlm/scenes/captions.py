"""Captions of scenes, and the caption pools that a demonstration starts from."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from synthvlm.scenes import flawed
from synthvlm.scenes.grammar import Group, Meaning, phrase
from synthvlm.scenes.world import Scene, place_of, relation_between, sample_scene

DETAILS: Final = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Caption:
    """One line of a caption pool; ``flaw`` names what is wrong with it, or is None."""

    id: int
    caption: str
    flaw: str | None = None


def meaning_of(scene: Scene, rng: random.Random, detail: int) -> Meaning:
    """Chooses what to say about ``scene``.

    Args:
        scene: What the caption is about.
        rng: Decides between equal choices, such as which thing is named first.
        detail: 1 names the things, 2 adds the background, 3 adds sizes and places.
    """
    things = list(scene.things)
    rng.shuffle(things)
    sizes = detail == 3 or rng.random() < 0.25
    counts = Counter((t.colour, t.shape, t.size if sizes else None) for t in things)
    groups = tuple(Group(n, colour, shape, size) for (colour, shape, size), n in counts.items())
    relation = None
    if len(things) == 2 and len(groups) == 2:
        relation = relation_between(things[0], things[1])
    place = place_of(things[0]) if len(things) == 1 and detail == 3 else None
    return Meaning(groups, relation, place, scene.background if detail > 1 else None)


def describe(scene: Scene, rng: random.Random, detail: int | None = None) -> str:
    """Words a true caption of ``scene``; see :func:`meaning_of` for ``detail``."""
    return phrase(meaning_of(scene, rng, detail or rng.choice(DETAILS)), rng)


def sample_captions(seed: int, count: int, flawed_fraction: float = 0.15) -> Iterator[Caption]:
    """Draws the captions of a pool one by one; the same arguments give the same pool.

    Args:
        seed: Seed of all random choices.
        count: How many captions.
        flawed_fraction: Share of captions, on average, that are bad on purpose.
    """
    rng = random.Random(seed)
    for i in range(count):
        scene = sample_scene(rng)
        if rng.random() < flawed_fraction:
            flaw = rng.choice(list(flawed.FLAWS))
            yield Caption(i, flawed.FLAWS[flaw](scene, rng), flaw)
        else:
            yield Caption(i, describe(scene, rng))
