"""What a caption answers by itself is asked, and nothing else."""

import random

import pytest

from synthvlm.training.scene_questions import questions_of


def kinds(caption: str) -> set[str]:
    return {one.kind for seed in range(8) for one in questions_of(caption, random.Random(seed))}


@pytest.mark.parametrize(
    ("caption", "also"),
    [
        ("a red star", set()),
        ("a big red star", {"size"}),
        ("a red star on a white page", {"background"}),
        ("a big red star in the top left of the image", {"size", "place"}),
        ("a red star left of a blue circle", {"relation"}),
    ],
)
def test_kinds(caption, also) -> None:
    assert kinds(caption) == {"existence", "colour", "shape", "count"} | also


def test_nothing_is_told_by_a_size_that_may_be_shared() -> None:
    for seed in range(40):
        for one in questions_of("a big red star left of a blue circle", random.Random(seed)):
            assert one.kind != "size"
            assert not {"big", "large", "small", "tiny"} & set(one.question.rstrip("?").split())


def test_answers_are_those_of_the_caption() -> None:
    for seed in range(40):
        for one in questions_of("a red star left of a blue circle", random.Random(seed)):
            if one.kind == "relation" and one.question.startswith("is the red"):
                assert one.answer == "left of"
            if one.kind == "count" and one.question.startswith("how many objects"):
                assert one.answer == "two"


def test_other_captions_answer_nothing() -> None:
    assert questions_of("two dogs on a beach", random.Random(0)) == []
