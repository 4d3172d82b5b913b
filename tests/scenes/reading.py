"""Answers questions about a scene as a reader of it does, without the code that wrote them."""

import re

from synthvlm.scenes.grammar import NUMBERS, SHAPE_WORDS, SIZE_WORDS, parse, plural
from synthvlm.scenes.questions import Question
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import COLOURS, Scene, Thing, place_of, relation_between

SIZES = {word: size for size, words in SIZE_WORDS.items() for word in words}
SHAPES = {
    form: shape
    for shape, words in SHAPE_WORDS.items()
    for word in words
    for form in (word, plural(word))
} | {"object": None, "objects": None}
ADJECTIVES = rf"(?:({'|'.join(SIZES)}) )?(?:({'|'.join(COLOURS)}) )?"
NOUN = re.compile(rf"\b{ADJECTIVES}({'|'.join(sorted(SHAPES, key=len, reverse=True))})\b")
BY_SIDE = {"left of": "left", "right of": "right", "above": "above", "below": "below"}


def meant(text: str, scene: Scene) -> list[list[Thing]]:
    """The things that each noun of ``text`` fits, read without the code that wrote it."""
    found = []
    for size, colour, noun in NOUN.findall(text):
        shape = SHAPES[noun]
        fits = [
            t
            for t in scene.things
            if (not size or SIZES[size] == t.size)
            and (not colour or colour == t.colour)
            and (shape is None or shape == t.shape)
        ]
        found.append(fits)
    return found


def answer(question: Question, scene: Scene) -> str:
    """What a reader of the scene answers; fails when the question has no single answer."""
    text = question.question
    things = meant(text, scene)
    match question.kind:
        case "existence":
            return "yes" if things[0] else "no"
        case "count":
            return NUMBERS.get(len(things[0]), "none")
        case "background":
            return scene.background
        case "truth":
            caption = text.partition(": ")[2].rstrip("?")
            meaning = parse(caption)
            assert meaning is not None
            words = ("true", "false") if text.startswith("true or false") else ("yes", "no")
            return words[not holds(meaning, scene)]
        case "relation" if re.match(r"(what|which)\b", text):
            (side,) = (r for words, r in BY_SIDE.items() if f" {words} the " in text)
            (other,) = things[-1]
            (one,) = (t for t in scene.things if t is not other)
            assert relation_between(one, other) == side
            return f"{one.colour} {one.shape}"
        case "relation":
            (one,), (other,) = things
            side = relation_between(one, other)
            return next(words for words, relation in BY_SIDE.items() if relation == side)
    # The name of what is asked for may stand among the nouns: "what shape is the red object".
    ((thing,),) = things
    if question.kind == "place":
        return place_of(thing)
    return str(getattr(thing, question.kind))
