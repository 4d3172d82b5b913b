"""The curriculum of mini-llm: lessons whose answers captions give, binding first."""

import random
from collections import Counter

import pytest

from synthvlm.scenes.captions import DETAILS, describe
from synthvlm.scenes.grammar import SHAPE_WORDS, SIDES, parse
from synthvlm.scenes.mini_models.lessons import NO, YES
from synthvlm.scenes.mini_models.train.curriculum import (
    EVERYTHING,
    Lesson,
    sample_any,
    sample_binding,
    sample_crowded_scene,
    sample_lesson_at,
    sample_sides,
)
from synthvlm.scenes.world import OPPOSITE

RNG_SEED = 4


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    rng = random.Random(RNG_SEED)
    return [sample_any(rng, EVERYTHING, harder=False) for _ in range(600)]


def test_the_same_seed_gives_the_same_lessons(lessons: list[Lesson]) -> None:
    rng = random.Random(RNG_SEED)
    assert [sample_any(rng, EVERYTHING, harder=False) for _ in range(50)] == lessons[:50]


def test_binding_comes_first_and_stays() -> None:
    rng = random.Random(1)
    assert all(sample_lesson_at(0.0, rng).evidence for _ in range(50))
    later = [bool(sample_lesson_at(0.5, rng).evidence) for _ in range(300)]
    assert 0 < sum(later) < 60


def test_after_binding_most_lessons_are_on_sides() -> None:
    rng = random.Random(8)
    lessons = [sample_lesson_at(0.07, rng) for _ in range(100)]
    assert 50 < sum(lesson.linked is not None for lesson in lessons) < 90
    assert all(lesson.evidence for lesson in lessons)


def test_a_binding_question_can_be_answered_by_its_evidence_alone() -> None:
    rng = random.Random(2)
    for _ in range(100):
        lesson = sample_binding(rng)
        words = str(lesson.subject).rstrip(".").replace(",", "").split()
        assert len(lesson.evidence) == len(lesson.conversations)
        for one, (turn,) in zip(lesson.evidence, lesson.conversations, strict=True):
            assert sum(word in one.asked for word in str(turn.prompt)[:-1].split()) == 1
            (noun,) = (at for at, word in enumerate(words) if word in one.told)
            # The answer is the noun, or the colour right before it.
            assert turn.answer == words[noun - 1] or turn.answer in one.told


def test_a_side_is_that_of_the_thing_that_the_question_names_first() -> None:
    rng = random.Random(3)
    for _ in range(50):
        lesson = sample_sides(rng)
        meaning = parse(str(lesson.subject))
        assert meaning is not None
        assert lesson.conversations
        for one, (turn,) in zip(lesson.evidence, lesson.conversations, strict=True):
            first = [one.told == SHAPE_WORDS[group.shape] for group in meaning.groups]
            assert sum(first) == 1
            relation = str(meaning.relation)
            side = SIDES[relation if first[0] else OPPOSITE[relation]]
            assert turn.answer == side


def test_harder_questions_are_asked_later() -> None:
    rng = random.Random(7)
    shares = []
    for done in (0.3, 0.9):
        drawn = [sample_lesson_at(done, rng) for _ in range(300)]
        turns = [
            turn
            for lesson in drawn
            if not lesson.evidence
            for conversation in lesson.conversations
            for turn in conversation
        ]
        shares.append(sum(turn.answer in ("yes", "no") for turn in turns) / len(turns))
    assert shares[1] > 1.5 * shares[0]


def test_lessons_are_of_every_kind_and_judgements_balanced(lessons: list[Lesson]) -> None:
    first = [lesson.conversations[0][0] for lesson in lessons]
    answers = Counter(turn.answer for turn in first)
    assert min(answers[YES], answers[NO]) > 40
    assert sum(lesson.subject is None for lesson in lessons) > 40
    several = [lesson for lesson in lessons if len(lesson.conversations[0]) > 1]
    assert len(several) > 100
    assert all(len(turns) == 1 for lesson in several for turns in lesson.conversations[1:])


def test_descriptions_are_of_every_detail_and_true_of_their_caption(lessons: list[Lesson]) -> None:
    described = [lesson for lesson in lessons if "Describe" in str(lesson.conversations)]
    assert len(described) > 50
    for lesson in described:
        full = parse(str(lesson.subject))
        assert full is not None
        assert len(lesson.conversations) == len(DETAILS)
        for (turn,) in lesson.conversations:
            meaning = parse(turn.answer)
            assert meaning is not None
            things = ((g.colour, g.shape, g.count) for g in full.groups)
            told = Counter((g.colour, g.shape) for g in meaning.groups for _ in range(g.count))
            assert told == Counter((c, s) for c, s, count in things for _ in range(count))


def test_a_question_on_a_caption_is_asked_once() -> None:
    rng = random.Random(6)
    for lesson in (sample_any(rng, EVERYTHING, harder=True) for _ in range(100)):
        prompts = [turn.prompt for turns in lesson.conversations for turn in turns]
        if len(prompts) > len(DETAILS):
            assert len(set(prompts)) == len(prompts)


def test_things_of_a_crowded_scene_are_all_different() -> None:
    rng = random.Random(5)
    for _ in range(50):
        scene = sample_crowded_scene(rng)
        assert len({(thing.shape, thing.colour) for thing in scene.things}) == len(scene.things)
        assert parse(describe(scene, rng, 3)) is not None
