"""All the questions that a scene answers, or that a caption answers by itself.

Of an image that was made from a caption, no more is known than the caption says: what it leaves
open is neither asked for nor mentioned.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthvlm.scenes.captions import scene_of
from synthvlm.scenes.grammar import Meaning, parse
from synthvlm.scenes.questions import EVERYTHING, KINDS, Question, ask
from synthvlm.scenes.world import Scene, sample_scene


@dataclass(frozen=True, slots=True)
class Told:
    """A scene of which a caption is true, and which of ``questions.OPEN`` the caption tells."""

    scene: Scene
    properties: frozenset[str] = EVERYTHING


def read_caption(caption: str, rng: random.Random) -> Told | None:
    """What a caption tells; ``rng`` fills in the rest of the scene.

    Returns:
        None when the caption is not in the language of the scene world, or has more things than a
        scene has room for.
    """
    meaning = parse(caption)
    scene = None if meaning is None else scene_of(meaning, rng)
    if meaning is None or scene is None:
        return None
    return Told(scene, _properties(meaning))


def questions_of(
    subject: str | Scene, rng: random.Random, kinds: Sequence[str] = ()
) -> list[Question]:
    """One question of every kind that ``subject`` answers; the same ``rng`` asks the same ones.

    Args:
        subject: A caption, or a scene, which answers whatever can be seen in its image.
        rng: Chooses what to ask, and the wording.
        kinds: Which of ``questions.KINDS``, in this order; empty for all.

    Returns:
        The questions, each of which has one answer. A caption that :func:`read_caption` cannot read
        answers none.
    """
    told = read_caption(subject, rng) if isinstance(subject, str) else Told(subject)
    if told is None:
        return []
    asked = (ask(told.scene, rng, kind, told.properties) for kind in kinds or KINDS)
    return [question for question in asked if question is not None]


def sample_questions(seed: int, count: int) -> Iterator[tuple[Scene, list[Question]]]:
    """Draws ``count`` scenes, those of a contact sheet with this seed, with all their questions."""
    scenes, words = random.Random(seed), random.Random(f"questions {seed}")
    for _ in range(count):
        scene = sample_scene(scenes)
        yield scene, questions_of(scene, words)


def _properties(meaning: Meaning) -> frozenset[str]:
    # One size that is not mentioned may be any, so that no thing can be told by its size.
    told = {"size"} if all(group.size for group in meaning.groups) else set()
    told |= {name for name in ("background", "relation", "place") if getattr(meaning, name)}
    return frozenset(told)
