"""What is asked of a caption: only what it answers by itself, whatever its picture may show."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.scenes.asking import questions_of, read_caption, sample_questions
from synthvlm.scenes.captions import DETAILS, describe, scene_of
from synthvlm.scenes.grammar import SIZE_WORDS, parse
from synthvlm.scenes.questions import KINDS
from synthvlm.scenes.world import Mix, sample_scene
from tests.scenes.reading import answer

seeds = st.integers(0, 2**32)


@given(seeds, st.sampled_from(DETAILS))
def test_a_caption_answers_alike_for_every_picture_it_is_true_of(seed: int, detail: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng, Mix(1, 2, 2))
    caption = describe(scene, rng, detail)
    meaning = parse(caption)
    assert meaning is not None
    pictures = [scene, *(scene_of(meaning, rng) for _ in range(4))]
    for question in questions_of(caption, rng):
        assert [answer(question, picture) for picture in pictures if picture] == (
            [question.answer] * len(pictures)
        ), (caption, question)


ALWAYS = {"existence", "count", "truth"}


@pytest.mark.parametrize(
    ("caption", "kinds"),
    [
        ("there is a red star", {"colour", "shape"}),
        ("a big red star on a white page", {"colour", "shape", "size", "background"}),
        ("a red star at the top left of the pic", {"colour", "shape", "place"}),
        ("a red star and a blue box", {"colour", "shape"}),
        ("a red star above a blue box", {"colour", "shape", "relation"}),
        ("a tiny red star above a blue box", {"colour", "shape", "relation"}),
        ("a red star above a blue box, both small", {"colour", "shape", "relation", "size"}),
        ("three red stars", set()),
        ("three red stars and a blue box, all big", {"colour", "shape", "size"}),
    ],
)
def test_kinds_are_those_that_the_caption_tells(caption: str, kinds: set[str]) -> None:
    asked = {q.kind for seed in range(20) for q in questions_of(caption, random.Random(seed))}
    assert asked == kinds | ALWAYS


def test_sizes_that_are_not_told_are_not_mentioned() -> None:
    words = {word for choices in SIZE_WORDS.values() for word in choices}
    for seed in range(200):
        for question in questions_of("a red star above a tiny blue box", random.Random(seed)):
            assert not words & set(question.question.split()), question


def test_both_answers_are_as_frequent() -> None:
    caption = "a big red star above a small blue box, on a white page"
    for kind in ("existence", "truth"):
        asked = [questions_of(caption, random.Random(seed), [kind])[0] for seed in range(600)]
        assert 0.42 < sum(q.answer in ("yes", "true") for q in asked) / 600 < 0.58


def test_kinds_are_asked_in_the_order_given() -> None:
    asked = questions_of("a red star", random.Random(0), ["shape", "background", "colour"])
    assert [question.kind for question in asked] == ["shape", "colour"]


@pytest.mark.parametrize(
    "caption", ["A stunning view!", "four red stars and a blue box", "a red star left of"]
)
def test_what_cannot_be_read_or_drawn_answers_nothing(caption: str) -> None:
    assert read_caption(caption, random.Random(0)) is None
    assert questions_of(caption, random.Random(0)) == []


@given(seeds)
def test_the_same_seed_gives_the_same_questions(seed: int) -> None:
    assert list(sample_questions(seed, 2)) == list(sample_questions(seed, 2))
    caption = "a big red star above a small blue box"
    once, again = (questions_of(caption, random.Random(seed)) for _ in range(2))
    assert once == again


def test_the_scenes_are_those_of_the_seed_and_answer_every_kind() -> None:
    rng = random.Random(8)
    pairs = list(sample_questions(8, 40))
    assert [scene for scene, _ in pairs] == [sample_scene(rng) for _ in range(40)]
    assert {question.kind for _, asked in pairs for question in asked} == set(KINDS)
