"""Wordings: each is read back as what it meant, and is true of the scene that it describes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.scenes.captions import meaning_of
from synthvlm.scenes.grammar import Group, Meaning, foreign_words, parse, phrase
from synthvlm.scenes.truth import failures, holds
from synthvlm.scenes.world import OPPOSITE, Scene, Thing, sample_scene


@given(st.integers(0, 2**32), st.sampled_from((1, 2, 3)))
def test_every_wording_is_read_back_and_true(seed: int, detail: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    meaning = meaning_of(scene, rng, detail)
    assert parse(phrase(meaning, rng)) == meaning
    assert holds(meaning, scene)


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    parse(text)


def test_case_punctuation_and_spelling_do_not_matter() -> None:
    assert parse("A  Tiny red DISC, on a gray wall!!") == Meaning(
        (Group(1, "red", "circle", "small"),), background="grey"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a photo of a dog",
        "a red circle that is all blue",
        "a red circle left of a blue star, right of it",
        "a red circle above two blue stars",
        "a small red circle and a big blue star, both tiny",
    ],
)
def test_what_is_not_of_the_world_or_contradicts_itself_has_no_meaning(text: str) -> None:
    assert parse(text) is None


RED = Thing("circle", "red", "small", 16, 32)
BLUE = Thing("star", "blue", "big", 48, 32)
PAIR = Scene("white", (RED, BLUE))


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("a red circle left of a blue star", None),
        ("a blue star to the right of a red circle, on a white page", None),
        ("a blue star left of a red circle", "not left of"),
        ("a red star left of a blue circle", "the things are"),
        ("a big red circle and a blue star", "the things are"),
        ("a red circle", "there are 2 things, not 1"),
        ("a red circle and a blue star on a cyan wall", "the background is white"),
    ],
)
def test_reasons_say_what_is_wrong(caption: str, reason: str | None) -> None:
    meaning = parse(caption)
    assert meaning is not None
    found = failures(meaning, PAIR)
    assert found == [] if reason is None else len(found) == 1 and reason in found[0]


def test_a_relation_and_its_opposite_exclude_each_other() -> None:
    groups = (Group(1, "red", "circle"), Group(1, "blue", "star"))
    true = {r for r in OPPOSITE if holds(Meaning(groups, relation=r), PAIR)}
    assert true == {"left"}


def test_many_things_of_one_kind_are_compared_at_once() -> None:
    # An image of noise can have any number of things; trying all their orders would take days.
    things = tuple(Thing("circle", "red", "small", i, i) for i in range(16))
    groups = (Group(4, "red", "circle"),) * 4
    assert holds(Meaning(groups), Scene("white", things))
    assert failures(Meaning((*groups[1:], Group(4, "red", "star"))), Scene("white", things))


def test_words_that_are_not_of_the_world_are_named() -> None:
    assert foreign_words("A gray dog, a red circle and a Dog on 2 beaches") == [
        "dog",
        "2",
        "beaches",
    ]
    assert foreign_words("is a red circle a circle") == []
