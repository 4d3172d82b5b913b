"""What mini-llm is taught, and when: which words belong together, then sides, then everything.

In the mixture of everything, a model of this size soon copies *some* colour of the caption, and
stays there. To find the colour of the thing asked about takes three steps of attention, of which
none helps without the others, so that by chance alone they are hardly ever found. A lesson in
binding therefore tells where each of them is to look (``Evidence``); 300 steps of these suffice.

On which side one thing lies of the other is what the caption says, or its opposite if the caption
names them the other way round: neither alone is right more often than a guess. Where lessons on
sides are few among others, only guessing is learnt; where they are most, 150 steps suffice.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from synthvlm.scenes.captions import DETAILS, describe
from synthvlm.scenes.grammar import NUMBERS, SHAPE_WORDS, SIDES
from synthvlm.scenes.mini_models.lessons import (
    BADNESS,
    CAPTION_WEIGHT,
    DESCRIBE,
    JUDGE,
    MIX,
    NO,
    YES,
    Turn,
    kinds_on_caption,
    sample_judged,
)
from synthvlm.scenes.questions import ask
from synthvlm.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    RADII,
    SHAPES,
    Mix,
    Scene,
    Thing,
    sample_scene,
)

GIVEN_WEIGHT: Final = 0.1
"""Of what is given: which things a question names is a matter of what the caption says."""

CROWDED: Final = 0.3
"""Share of crowded scenes among those that are asked about and described."""

BINDING_UNTIL: Final = 0.05
"""The share of a training in which there are lessons in binding alone."""

SIDES_UNTIL: Final = 0.095
SIDES_FIRST: Final = {"sides": 7, "binding": 3}
"""The share until which lessons are on sides and in binding, and how often each is drawn."""

HARDER_FROM: Final = 0.4
"""The share after which questions are mostly those that take more than binding."""

EVERYTHING: Final = {
    "sides": 1,
    "binding": 1,
    "caption": 2,
    "judgement": 3,
    "description": 2,
    "questions": 5,
}
"""How often each kind of lesson is drawn after that; one of questions has a dozen of them."""

MOST_TURNS: Final = 2
"""Turns of a conversation; with more, those on crowded scenes would be longer than a row."""

FEWEST, MOST = 3, 5  # with all six shapes in a scene, no question could name an absent one
_PLACES: Final = ((17, 17), (47, 17), (17, 47), (47, 47), (32, 32))
_SIDE_WORDS: Final = ("left", "right", "above", "below", "under", "beneath", "top")
_TIMES: Final = {"background": 1, "place": 1, "relation": 6}
_HARDER_TIMES: Final = {
    **dict.fromkeys(("background", "place"), 1),
    **dict.fromkeys(("colour", "shape"), 2),
    **{"size": 4, "count": 4, "relation": 6, "existence": 6, "truth": 8},
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the answer to a question is found.

    Args:
        asked: Words of which the question has one, for the thing that it asks about.
        told: Words of which the caption has one, the noun of that thing.
    """

    asked: tuple[str, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Conversations about one subject, each of which is learnt as if it were the only one.

    The first turn of each is about ``subject``, a caption; without one there is nothing before it.
    """

    subject: str | None
    conversations: Sequence[Sequence[Turn]]
    given_weight: float = 0.0
    """Of the subject's and the prompts' tokens in the loss."""
    evidence: Sequence[Evidence] = ()
    """Of each conversation, or nothing."""
    linked: tuple[Sequence[str], Sequence[str]] | None = None
    """Words of which the subject has one, and those before it of which that one shall know."""


def sample_lesson_at(done: float, rng: random.Random) -> Lesson:
    """Draws a lesson for when that share of the training, from 0 to 1, is over."""
    if done < BINDING_UNTIL:
        return sample_binding(rng)
    weights = SIDES_FIRST if done < SIDES_UNTIL else EVERYTHING
    return sample_any(rng, weights, harder=done >= HARDER_FROM)


def sample_binding(rng: random.Random) -> Lesson:
    """Questions about the colours and shapes of two to four things that share neither."""
    count = rng.randint(2, 4)
    scene = _scene(_unlike(count, rng), rng)
    caption = describe(scene, rng, 1)
    # The caption may leave sizes open, so no question may name one.
    sizeless = replace(scene, things=tuple(replace(thing, size="") for thing in scene.things))
    asked = _questions(sizeless, {"colour": 2 * count, "shape": 2 * count}, rng)
    evidence = [_evidence(scene, turn.answer) for turn in asked]
    return Lesson(caption, [[turn] for turn in asked], evidence=evidence)


def _evidence(scene: Scene, answer: str) -> Evidence:
    """Of a question whose answer is the colour or the shape of a single thing."""
    (thing,) = (one for one in scene.things if answer in (one.colour, one.shape))
    nouns = SHAPE_WORDS[thing.shape]
    return Evidence(nouns if answer == thing.colour else (thing.colour,), nouns)


def sample_sides(rng: random.Random) -> Lesson:
    """Questions on which side of each other two things lie that share nothing.

    The thing to look for is the one that is named first: the other's side is the opposite one.
    """
    scene = sample_scene(rng, Mix(one=0, two=1, group=0))
    one, other = scene.things
    if one.shape == other.shape or one.colour == other.colour:
        return sample_sides(rng)
    caption = describe(scene, rng, 3)
    asked = [
        turn for turn in _questions(scene, {"relation": 16}, rng) if turn.answer in SIDES.values()
    ]
    evidence = [_first_named(scene, str(turn.prompt)) for turn in asked]
    second = SHAPE_WORDS[max(scene.things, key=lambda thing: _place(thing, caption)).shape]
    return Lesson(caption, [[turn] for turn in asked], 0.0, evidence, (second, _SIDE_WORDS))


def _first_named(scene: Scene, prompt: str) -> Evidence:
    first = min(scene.things, key=lambda thing: _place(thing, prompt))
    nouns = SHAPE_WORDS[first.shape]
    return Evidence((*nouns, first.colour), nouns)


def _place(thing: Thing, text: str) -> int:
    """Where in a text something is first said of a thing that shares nothing with the others."""
    words = re.findall(r"\w+", text)
    names = {*SHAPE_WORDS[thing.shape], thing.colour}
    return next(at for at, word in enumerate(words) if word in names)


def sample_any(rng: random.Random, weights: Mapping[str, int], *, harder: bool) -> Lesson:
    """Binding, sides, a caption, a judgement, a description of each detail, or many questions."""
    kind = rng.choices(tuple(weights), tuple(weights.values()))[0]
    if kind == "binding":
        return sample_binding(rng)
    if kind == "sides":
        return sample_sides(rng)
    if kind == "caption":
        caption = describe(sample_scene(rng, MIX), rng)
        return Lesson(None, [[Turn(None, caption, CAPTION_WEIGHT)]])
    if kind == "judgement":
        judged = sample_judged(rng, rng.choice(BADNESS) if rng.random() < 0.5 else None)
        turn = Turn(rng.choice(JUDGE), YES if judged.flaw is None else NO)
        return Lesson(judged.caption, [[turn]])
    crowded = rng.random() < CROWDED
    scene = sample_crowded_scene(rng) if crowded else sample_scene(rng, MIX)
    caption = describe(scene, rng, 3)
    if kind == "description":
        said = [
            [Turn(rng.choice(DESCRIBE[detail]), describe(scene, rng, detail))]
            for detail in rng.sample(DETAILS, len(DETAILS))
        ]
        return Lesson(caption, said, GIVEN_WEIGHT)
    asked = _questions(scene, _times(scene, harder=harder), rng)
    return Lesson(caption, _in_turns(asked, rng), GIVEN_WEIGHT)


def sample_crowded_scene(rng: random.Random) -> Scene:
    """A scene of several things, all different, of which a guess is seldom right.

    In half of them no two share a colour or a shape, so that each can be named by either.
    """
    count = rng.randint(FEWEST, MOST)
    if rng.random() < 0.5:
        return _scene(_unlike(count, rng), rng)
    return _scene(rng.sample([(s, c) for s in SHAPES for c in COLOURS], count), rng)


def _unlike(count: int, rng: random.Random) -> list[tuple[str, str]]:
    shapes, colours = rng.sample(SHAPES, count), rng.sample(tuple(COLOURS), count)
    return list(zip(shapes, colours, strict=True))


def _scene(kinds: Sequence[tuple[str, str]], rng: random.Random) -> Scene:
    things = (
        Thing(shape, colour, rng.choice(tuple(RADII)), x, y)
        for (shape, colour), (x, y) in zip(kinds, _PLACES, strict=False)
    )
    return Scene(rng.choice(tuple(BACKGROUNDS)), tuple(things))


def _times(scene: Scene, *, harder: bool) -> dict[str, int]:
    """How often each kind of question is asked that a full caption of ``scene`` answers."""
    things = len(scene.things)
    kinds = [k for k in kinds_on_caption(scene) if k != "count" or things <= max(NUMBERS)]
    times = _HARDER_TIMES if harder else _TIMES
    return {kind: times.get(kind, max(3, things)) for kind in kinds}


def _questions(scene: Scene, times: Mapping[str, int], rng: random.Random) -> list[Turn]:
    """Different questions about a scene in any order, up to ``times`` of each kind."""
    drawn = (ask(scene, rng, kind) for kind, count in times.items() for _ in range(count))
    turns = [Turn(q.question, q.answer) for q in dict.fromkeys(drawn) if q is not None]
    rng.shuffle(turns)
    return turns


def _in_turns(turns: Sequence[Turn], rng: random.Random) -> list[Sequence[Turn]]:
    """One conversation of several turns, then more of a single one each."""
    several = rng.randint(1, MOST_TURNS)
    return [turns[:several], *([turn] for turn in turns[several:])]
