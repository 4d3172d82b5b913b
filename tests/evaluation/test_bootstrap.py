"""Intervals: of means, of perplexities, and of paired differences."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.evaluation.answers import Answer
from synthvlm.evaluation.bootstrap import clustered, difference, estimate
from tests.evaluation.records import mostly, scene_answers


def answer(number: int, score: float, weight: float = 1.0, cluster: str = "") -> Answer:
    name = f"{number:04d}"
    return Answer("b", "image", name, cluster or name, "", "", "", score, weight)


def test_the_interval_of_a_share_is_the_one_of_the_binomial_distribution() -> None:
    answers = [answer(number, float(number % 4 == 0)) for number in range(1000)]
    found = estimate(answers, "share")
    error = 1.96 * math.sqrt(0.25 * 0.75 / 1000)
    assert found.value == 0.25
    assert found.questions == 1000
    assert (found.low, found.high) == pytest.approx((0.25 - error, 0.25 + error), abs=0.004)


def test_questions_about_the_same_image_count_as_one() -> None:
    alone = [answer(number, float(number % 4 == 0)) for number in range(200)]
    repeated = [answer(n, float(n % 4 == 0), cluster=f"{n}") for _ in range(9) for n in range(200)]
    once, often = estimate(alone, "share"), estimate(repeated, "share")
    assert once.low is not None
    assert often.low is not None
    assert often.value - often.low == pytest.approx(once.value - once.low, rel=0.15)


def test_a_perplexity_is_that_of_all_words_together() -> None:
    answers = [answer(0, -2.0 * math.log(2), 2.0), answer(1, -6.0 * math.log(4), 6.0)]
    assert estimate(answers, "perplexity").value == pytest.approx(math.exp(14 * math.log(2) / 8))


def test_the_same_answers_give_the_same_interval() -> None:
    assert estimate(scene_answers(mostly(0.5, 1)), "share") == estimate(
        scene_answers(mostly(0.5, 1)), "share"
    )


def test_pairing_removes_what_both_models_find_hard() -> None:
    rng = random.Random(3)
    hard = [float(rng.random() < 0.5) for _ in range(400)]
    better = [max(score, float(rng.random() < 0.1)) for score in hard]
    first = clustered([answer(n, score) for n, score in enumerate(hard)])
    second = clustered([answer(n, score) for n, score in enumerate(better)])
    value, low, high = difference(first, second, "share")
    assert value == pytest.approx(sum(better) / 400 - sum(hard) / 400)
    assert 0 < low < value < high
    assert high - low < 0.06  # unpaired it would be 0.14


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_a_difference_changes_its_sign_with_the_order(pairs: list[tuple[bool, bool]]) -> None:
    first = clustered([answer(n, float(one)) for n, (one, _) in enumerate(pairs)])
    second = clustered([answer(n, float(other)) for n, (_, other) in enumerate(pairs)])
    forth, back = difference(first, second, "share"), difference(second, first, "share")
    assert forth == pytest.approx((-back[0], -back[2], -back[1]))
    assert forth[1] <= forth[0] + 1e-9
    assert forth[0] <= forth[2] + 1e-9
    assert difference(first, first, "share") == (0, 0, 0)
