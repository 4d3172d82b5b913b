"""Perfect drawings of captions: what a generator that is always right would make of them."""

import io
import random
from typing import Final

from PIL import Image

from synthvlm.scenes.grammar import Meaning, parse
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import RADII, Mix, Scene, Thing, sample_scene

_TRIES: Final = 1000
_ONE, _TWO, _GROUP = Mix(1, 0, 0), Mix(0, 1, 0), Mix(0, 0, 1)


def drawing_of(caption: str, rng: random.Random) -> bytes | None:
    """A drawing, as PNG, of which a caption is true.

    Args:
        caption: The caption.
        rng: Decides what the caption leaves open.

    Returns:
        The drawing; None for a caption that is not in the scene world's language or that no scene
        fulfils.
    """
    meaning = parse(caption)
    if meaning is None:
        return None
    for _ in range(_TRIES):
        scene = _attempt(meaning, rng)
        if scene is not None and holds(meaning, scene):
            buffer = io.BytesIO()
            Image.fromarray(render(scene)).save(buffer, "PNG")
            return buffer.getvalue()
    return None


def _attempt(meaning: Meaning, rng: random.Random) -> Scene | None:
    """The caption's things where those of a random scene are; None if that has another number."""
    groups = [group for group in meaning.groups for _ in range(group.count)]
    mix = _ONE if len(groups) == 1 else _TWO if len(meaning.groups) == 2 == len(groups) else _GROUP
    drawn = sample_scene(rng, mix)
    if len(drawn.things) != len(groups):
        return None
    size = rng.choice(list(RADII))
    things = tuple(
        Thing(group.shape, group.colour, group.size or size, place.x, place.y)
        for group, place in zip(groups, drawn.things, strict=True)
    )
    return Scene(meaning.background or drawn.background, things)
