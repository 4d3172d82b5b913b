"""What mini-llm learns: conversations in LLaVA's layout, whose answers the captions give."""

import random
from collections import Counter

import pytest

from synthvlm.scenes.captions import DETAILS, describe
from synthvlm.scenes.flawed import FLAWS
from synthvlm.scenes.grammar import parse
from synthvlm.scenes.mini_models.lessons import (
    BADNESS,
    MIX,
    NO,
    YES,
    about,
    ask_about,
    questions_on_caption,
    sample_judged,
    sample_lesson,
    shuffle_words,
    user_text,
)
from synthvlm.scenes.questions import KINDS
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Mix, sample_scene


def test_the_same_seed_gives_the_same_lessons() -> None:
    one, two = random.Random(1), random.Random(1)
    assert [sample_lesson(one) for _ in range(50)] == [sample_lesson(two) for _ in range(50)]


def test_a_prompt_is_llavas() -> None:
    assert user_text(about("<image>", "what colour is the star?")) == (
        "USER: <image>\nwhat colour is the star? ASSISTANT:"
    )


@pytest.mark.parametrize("detail", DETAILS)
def test_shuffled_captions_have_the_same_words_and_no_meaning(detail: int) -> None:
    rng = random.Random(detail)
    for _ in range(100):
        caption = describe(sample_scene(rng, MIX), rng, detail)
        shuffled = shuffle_words(caption, rng)
        assert parse(shuffled) is None
        words = caption.replace(",", "").replace(".", "").split()
        assert Counter(shuffled.split()) == Counter(words)


def test_a_single_word_cannot_be_shuffled() -> None:
    with pytest.raises(ValueError, match="no other order"):
        shuffle_words("untitled", random.Random(0))


def test_judged_captions_are_what_they_are_labelled() -> None:
    rng = random.Random(2)
    assert {*FLAWS, "shuffled"} == set(BADNESS)
    for _ in range(50):
        assert parse(sample_judged(rng).caption) is not None
    for flaw in BADNESS:
        judged = sample_judged(rng, flaw)
        assert judged.flaw == flaw
        # A repetition says something true of a picture, only too often.
        assert flaw == "repetitive" or parse(judged.caption) is None


@pytest.mark.parametrize(
    ("mix", "unsaid"),
    [
        (Mix(1, 0, 0), {"relation"}),
        (Mix(0, 1, 0), {"place"}),
        (Mix(0, 0, 1), {"relation", "place"}),
    ],
)
def test_only_what_a_full_caption_says_is_asked(mix: Mix, unsaid: set[str]) -> None:
    rng = random.Random(3)
    kinds: set[str] = set()
    for _ in range(200):
        kinds |= {question.kind for question in questions_on_caption(sample_scene(rng, mix), rng)}
    assert kinds == set(KINDS) - unsaid


def test_lessons_are_of_every_kind_and_judgements_balanced() -> None:
    rng = random.Random(4)
    lessons = [sample_lesson(rng) for _ in range(2000)]
    bare = [turns for turns in lessons if turns[0].prompt is None]
    answers = Counter(turns[0].answer for turns in lessons)
    several = [turns for turns in lessons if len(turns) > 1]
    assert 200 < len(bare) < 500
    assert all(len(turns) == 1 for turns in bare)
    assert 0.8 < answers[YES] / answers[NO] < 1.25
    assert len(several) > 400
    assert all("\n" not in str(turn.prompt) for turns in several for turn in turns[1:])


def test_descriptions_are_true_of_the_caption_they_reword() -> None:
    rng = random.Random(5)
    seen = 0
    for _ in range(400):
        (turn, *_rest) = sample_lesson(rng)
        if turn.prompt is None or not ("Describe" in turn.prompt or "things" in turn.prompt):
            continue
        meaning, full = parse(turn.answer), parse(turn.prompt.split("\n")[0])
        assert meaning is not None
        assert full is not None
        assert Counter((g.colour, g.shape) for g in meaning.groups) <= Counter(
            (g.colour, g.shape) for g in full.groups
        )
        assert meaning.background in {None, full.background}
        seen += 1
    assert seen > 30


def test_a_conversation_shows_its_caption_once() -> None:
    rng = random.Random(6)
    scene = sample_scene(rng, MIX)
    caption = describe(scene, rng, 3)
    turns = ask_about(caption, questions_on_caption(scene, rng)[:3])
    assert [str(turn.prompt).startswith(f"{caption}\n") for turn in turns] == [True, False, False]
    meaning = parse(caption)
    assert meaning is not None
    assert holds(meaning, scene)
