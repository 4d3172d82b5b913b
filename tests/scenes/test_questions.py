"""Questions: unambiguous, answered as a reader of the scene would, in words of one token."""

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.scenes.asking import questions_of, sample_questions
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.questions import KINDS, Question, ask
from synthvlm.scenes.world import RELATIONS, Mix, Scene, Thing, sample_scene
from tests.scenes.reading import BY_SIDE, answer

seeds = st.integers(0, 2**32)


@given(seeds)
def test_every_question_has_one_answer_and_it_is_given(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng, Mix(1, 2, 2))
    for question in questions_of(scene, rng):
        assert answer(question, scene) == question.answer, question


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
