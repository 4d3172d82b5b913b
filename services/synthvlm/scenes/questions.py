"""Questions about a scene with their answers, for training and evaluating vision-language models.

Every question has one answer: "the circle" is only asked about where there is exactly one, sides
only where they are clear. Every word of a question or answer is one token of the mini tokenizer.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

from synthvlm.scenes.captions import describe
from synthvlm.scenes.grammar import NUMBERS, SHAPE_WORDS, SIDES, SIZE_WORDS, parse, plural
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import (
    COLOURS,
    PLACES,
    SHAPES,
    Scene,
    Thing,
    place_of,
    relation_between,
    sample_scene,
)

NONE: Final = "none"
"""The answer to how many there are when there are none."""

_NEAR: Final = 6.0  # pixels from the centre of a place within which a thing is surely there
_CLEAR: Final = 2.0  # how much further apart things are along their relation's axis
_PLACES: Final = ("", "", " in the picture", " in the image")


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its answer, both in lower case; ``kind`` is one of ``KINDS``."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Reference:
    """What is said of a thing to identify it; None is not mentioned."""

    size: str | None = None
    colour: str | None = None
    shape: str | None = None

    def fits(self, thing: Thing) -> bool:
        return (
            self.size in (None, thing.size)
            and self.colour in (None, thing.colour)
            and self.shape in (None, thing.shape)
        )

    def words(self, rng: random.Random, *, many: bool = False) -> str:
        noun = rng.choice(SHAPE_WORDS[self.shape]) if self.shape else "object"
        size = rng.choice(SIZE_WORDS[self.size]) if self.size else None
        return " ".join(w for w in (size, self.colour, plural(noun) if many else noun) if w)


def ask(scene: Scene, rng: random.Random, kind: str) -> Question | None:
    """Asks a question of one kind about ``scene``; the same state of ``rng`` gives the same one.

    Yes and no, and true and false, are equally frequent answers.

    Args:
        scene: What is asked about.
        rng: Chooses what to ask, and the wording.
        kind: One of ``KINDS``.

    Returns:
        The question; None when the scene allows no unambiguous one of that kind.
    """
    asked = _ASKING[kind](scene, rng)
    return None if asked is None else Question(kind, *asked)


def ask_all(scene: Scene, rng: random.Random, kinds: Sequence[str] = ()) -> list[Question]:
    """One question of every kind that ``scene`` allows, in the order of ``kinds`` (all: empty)."""
    asked = (ask(scene, rng, kind) for kind in kinds or KINDS)
    return [question for question in asked if question is not None]


def sample_questions(seed: int, count: int) -> Iterator[tuple[Scene, list[Question]]]:
    """Draws ``count`` scenes, those of a contact sheet with this seed, with all their questions."""
    scenes, words = random.Random(seed), random.Random(f"questions {seed}")
    for _ in range(count):
        scene = sample_scene(scenes)
        yield scene, ask_all(scene, words)


_Asked = tuple[str, str] | None


def _existence(scene: Scene, rng: random.Random) -> _Asked:
    thing = rng.choice(scene.things)
    there = rng.random() < 0.5
    reference = _of(thing, rng.choice((("colour", "shape"), ("colour", "shape"), *_ONE)))
    # What is absent differs from a thing that is there as little as possible.
    while not there and any(map(reference.fits, scene.things)):
        name = rng.choice([n for n in ("colour", "shape") if getattr(reference, n)])
        other = rng.choice(tuple(COLOURS) if name == "colour" else SHAPES)
        reference = replace(reference, **{name: other})
    words = reference.words(rng)
    noun = f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    opening = rng.choice(("is there", "do we see", "can we see", "does the picture have"))
    place = "" if opening.endswith("have") else rng.choice(_PLACES)
    return f"{opening} {noun}{place}?", "yes" if there else "no"


def _colour(scene: Scene, rng: random.Random) -> _Asked:
    found = _pointed_out(scene, rng, (("shape",), ("size", "shape"), ("size",), ()))
    if found is None:
        return None
    thing, words = found
    wording = rng.choice(
        (
            "what colour is the {}?",
            "which colour is the {}?",
            "what is the colour of the {}?",
            "which colour does the {} have?",
        )
    )
    return wording.format(words), thing.colour


def _shape(scene: Scene, rng: random.Random) -> _Asked:
    found = _pointed_out(scene, rng, (("colour",), ("size", "colour"), ("size",), ()))
    if found is None:
        return None
    thing, words = found
    wording = rng.choice(
        (
            "what shape is the {}?",
            "which shape is the {}?",
            "what is the shape of the {}?",
            "which shape does the {} have?",
        )
    )
    return wording.format(words), thing.shape


def _size(scene: Scene, rng: random.Random) -> _Asked:
    found = _pointed_out(scene, rng, (("colour", "shape"), *_ONE, ()))
    if found is None:
        return None
    thing, words = found
    wording = rng.choice(
        ("is the {} small or big?", "is the {} big or small?", "how big is the {}, small or big?")
    )
    return wording.format(words), thing.size


def _count(scene: Scene, rng: random.Random) -> _Asked:
    if rng.random() < 0.2:
        reference = _Reference(colour=rng.choice(tuple(COLOURS)), shape=rng.choice(SHAPES))
    else:
        said = rng.choice(((), *_ONE, ("colour", "shape"), ("colour", "shape")))
        reference = _of(rng.choice(scene.things), said)
    number = sum(map(reference.fits, scene.things))
    opening = f"how many {reference.words(rng, many=True)}"
    wording = rng.choice(
        ("{} are there?", "{} do we see?", "{} are in the picture?", "{} does the image have?")
    )
    return wording.format(opening), NUMBERS.get(number, NONE)


def _relation(scene: Scene, rng: random.Random) -> _Asked:
    pairs = [pair for pair in permutations(scene.things, 2) if _is_clear(*pair)]
    rng.shuffle(pairs)
    for one, other in pairs:
        names = [_one_of(scene, thing, rng, _NAMES) for thing in (one, other)]
        if None in names:
            continue
        side = SIDES[relation_between(one, other)]
        if len(scene.things) == 2 and rng.random() < 0.3:
            wording = rng.choice(
                ("what is {} the {}?", "which object is {} the {}?", "what do we see {} the {}?")
            )
            return wording.format(side, names[1]), f"{one.colour} {one.shape}"
        wording = rng.choice(
            (
                "is the {} left of, right of, above or below the {}?",
                "is the {} above, below, left of or right of the {}?",
                "where is the {}: left of, right of, above or below the {}?",
            )
        )
        return wording.format(*names), side
    return None


def _truth(scene: Scene, rng: random.Random) -> _Asked:
    true = rng.random() < 0.5
    while True:
        caption = describe(scene if true else mutate(scene, rng), rng).rstrip(".")
        meaning = parse(caption)
        # The caption may not mention the difference, and so be true all the same.
        if meaning is not None and holds(meaning, scene) == true:
            break
    wording, answers = rng.choice(
        (
            ("true or false: {}?", ("true", "false")),
            ("is this true: {}?", ("yes", "no")),
            ("is this correct: {}?", ("yes", "no")),
        )
    )
    return wording.format(caption), answers[0] if true else answers[1]


def _background(scene: Scene, rng: random.Random) -> _Asked:
    wording = rng.choice(
        (
            "what colour is the background?",
            "which colour does the background have?",
            "what is the colour of the background?",
            "which background does the picture have?",
        )
    )
    return wording, scene.background


def _place(scene: Scene, rng: random.Random) -> _Asked:
    placed = [thing for thing in scene.things if _is_near_a_place(thing)]
    rng.shuffle(placed)
    for thing in placed:
        words = _one_of(scene, thing, rng, _NAMES)
        if words is not None:
            wording = rng.choice(
                (
                    "where is the {}?",
                    "where in the picture is the {}?",
                    "where do we see the {}?",
                )
            )
            return wording.format(words), place_of(thing)
    return None


_ASKING: Final[dict[str, Callable[[Scene, random.Random], _Asked]]] = {
    "existence": _existence,
    "colour": _colour,
    "shape": _shape,
    "size": _size,
    "count": _count,
    "relation": _relation,
    "truth": _truth,
    "background": _background,
    "place": _place,
}

KINDS: Final = tuple(_ASKING)
"""What questions ask for."""

_ONE: Final = (("colour",), ("shape",))
_NAMES: Final = (("colour", "shape"), ("colour", "shape"), *_ONE, ("size", "colour", "shape"))


def _of(thing: Thing, said: Sequence[str]) -> _Reference:
    return _Reference(**{name: getattr(thing, name) for name in said})


def _one_of(
    scene: Scene, thing: Thing, rng: random.Random, ways: Sequence[Sequence[str]]
) -> str | None:
    """Points out ``thing`` in one of ``ways`` that fit no other thing; None when all do."""
    fitting = [
        reference
        for reference in (_of(thing, said) for said in ways)
        if sum(map(reference.fits, scene.things)) == 1
    ]
    return rng.choice(fitting).words(rng) if fitting else None


def _pointed_out(
    scene: Scene, rng: random.Random, ways: Sequence[Sequence[str]]
) -> tuple[Thing, str] | None:
    """Some thing that can be pointed out in one of ``ways``, and the words that do it."""
    for thing in rng.sample(scene.things, len(scene.things)):
        words = _one_of(scene, thing, rng, ways)
        if words is not None:
            return thing, words
    return None


def _is_clear(one: Thing, other: Thing) -> bool:
    """Whether everyone would name the same side: not so for things that lie diagonally."""
    apart = sorted((abs(one.x - other.x), abs(one.y - other.y)))
    return apart[1] >= _CLEAR * apart[0]


def _is_near_a_place(thing: Thing) -> bool:
    x, y = PLACES[place_of(thing)]
    return (thing.x - x) ** 2 + (thing.y - y) ** 2 <= _NEAR**2
