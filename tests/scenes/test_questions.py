"""Questions: unambiguous, answered as a reader of the scene would, in words of one token."""

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.scenes.grammar import NUMBERS, SHAPE_WORDS, SIZE_WORDS, parse, plural
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.questions import KINDS, Question, ask, ask_all, sample_questions
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import (
    COLOURS,
    RELATIONS,
    Mix,
    Scene,
    Thing,
    place_of,
    relation_between,
    sample_scene,
)

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


seeds = st.integers(0, 2**32)


@given(seeds)
def test_every_question_has_one_answer_and_it_is_given(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng, Mix(1, 2, 2))
    for question in ask_all(scene, rng):
        assert answer(question, scene) == question.answer, question


@given(seeds)
def test_the_same_seed_gives_the_same_questions(seed: int) -> None:
    assert list(sample_questions(seed, 2)) == list(sample_questions(seed, 2))


def test_the_scenes_are_those_of_the_seed() -> None:
    rng = random.Random(8)
    assert [scene for scene, _ in sample_questions(8, 20)] == [sample_scene(rng) for _ in range(20)]


@pytest.fixture(scope="module")
def many() -> list[Question]:
    return [question for _, questions in sample_questions(4, 1500) for question in questions]


def test_every_kind_is_asked_in_several_wordings(many: list[Question]) -> None:
    openings = {(q.kind, " ".join(q.question.split()[:3])) for q in many}
    assert all(n >= 3 for n in Counter(kind for kind, _ in openings).values())
    assert {kind for kind, _ in openings} == set(KINDS)


def test_questions_of_two_answers_have_either_as_often(many: list[Question]) -> None:
    for kind in ("existence", "truth", "size"):
        answers = [q.answer in ("yes", "true", "big") for q in many if q.kind == kind]
        assert 0.45 < sum(answers) / len(answers) < 0.55


def test_sides_are_answered_equally_often(many: list[Question]) -> None:
    counts = Counter(q.answer for q in many if q.answer in BY_SIDE)
    assert len(counts) == len(RELATIONS)
    assert max(counts.values()) < 1.5 * min(counts.values())


def test_answers_are_short(many: list[Question]) -> None:
    assert all(1 <= len(q.answer.split()) <= 2 for q in many)


def test_words_are_one_token_each(many: list[Question]) -> None:
    tokenizer = build_tokenizer()
    for text in {q.question for q in many} | {q.answer for q in many}:
        pieces = re.findall(r"\w+|[^\w\s]", text)
        assert len(tokenizer(text).input_ids) == len(pieces) + 2, text


TWINS = Scene("white", tuple(Thing("circle", "red", "small", x, 17) for x in (17, 47)))
DIAGONAL = Scene(
    "white", (Thing("circle", "red", "small", 17, 17), Thing("star", "blue", "small", 45, 47))
)


@pytest.mark.parametrize("kind", ["colour", "shape", "size", "relation", "place"])
@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_asked_of_one_of_two_equal_things(kind: str, seed: int) -> None:
    assert ask(TWINS, random.Random(seed), kind) is None


@pytest.mark.parametrize("seed", range(10))
def test_sides_are_not_asked_of_things_that_lie_diagonally(seed: int) -> None:
    assert ask(DIAGONAL, random.Random(seed), "relation") is None
    assert ask(DIAGONAL, random.Random(seed), "place") is not None
