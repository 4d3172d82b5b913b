"""From cells to the table and the plot: paired differences, and what they allow to say."""

import random
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.reproduce.cells import Cell
from benchmarks.reproduce.design import ARMS, CLAIMS, Design
from benchmarks.reproduce.pages import code_digest, plot, table
from benchmarks.reproduce.summary import (
    ClaimFigures,
    arm_figures,
    claim_figures,
    of_finished_seeds,
    student,
)
from synthvlm.evaluation.answers import Answer
from synthvlm.storage import ShardRef

SEEDS = 3
SHARES = {"best": 0.8, "random": 0.5, "best-drawn": 0.81, "all": 0.8}
"""Right answers of some arms' models; of the others' 0.6."""


def answer(arm, seed, number):
    rng = random.Random(f"{arm} {seed} {number}")
    return Answer(
        benchmark="scene-vqa",
        condition="image",
        question_id=f"q{number}",
        cluster=f"scene-{number // 2}",
        question="what?",
        truth="red",
        answer="red",
        score=float(rng.random() < SHARES.get(arm, 0.6)),
        groups={"kind": ("relation", "colour")[number % 2], "things": "1"},
    )


@pytest.fixture(scope="module")
def answers():
    return {
        (arm, seed): [answer(arm, seed, number) for number in range(300)]
        for arm in ARMS
        for seed in range(SEEDS)
    }


@pytest.fixture(scope="module")
def cells():
    ref = ShardRef("dataset/0", f"sha256:{'0' * 64}", 12)
    return [
        Cell(
            arm=arm, seed=seed, version=ref, model=ref, evaluation=ref, pairs=12, true=0.5, things=2
        )
        for seed in range(SEEDS)
        for arm in ARMS
    ]


@pytest.fixture(scope="module")
def claims(answers):
    return claim_figures(answers)


def test_a_difference_is_told_with_both_intervals(claims):
    told = {(one.claim.better, one.claim.than): one for one in claims}
    assert len(told) == len(CLAIMS)
    apart = told["best", "random"]
    assert apart.difference == pytest.approx(0.3, abs=0.08)
    assert apart.seeds[0] < apart.difference < apart.seeds[1]
    assert apart.questions[0] < apart.difference < apart.questions[1]
    assert apart.verdict == "holds here"
    assert told["best", "all"].verdict == "cannot be told"


def test_an_opposite_is_told_as_such(answers):
    swapped = {
        ({"best": "random", "random": "best"}.get(arm, arm), seed): some
        for (arm, seed), some in answers.items()
    }
    told = {(one.claim.better, one.claim.than): one for one in claim_figures(swapped)}
    assert told["best", "random"].verdict == "the opposite holds here"


@pytest.mark.parametrize(
    ("seeds", "questions", "verdict"),
    [
        ((0.1, 2.0), (0.2, 1.0), "holds here"),
        ((0.1, 2.0), (-0.2, 3.0), "cannot be told"),
        ((-0.1, 2.0), (0.2, 1.0), "cannot be told"),
        ((-2.0, -0.1), (-1.0, -0.2), "the opposite holds here"),
    ],
)
def test_a_claim_holds_if_both_intervals_say_so(seeds, questions, verdict):
    assert ClaimFigures(CLAIMS[0], 0.5, seeds, questions).verdict == verdict


def test_the_interval_over_seeds_is_students():
    assert student([1.0, 2.0, 3.0]) == pytest.approx((-0.4841, 4.4841), abs=1e-4)


def test_table_and_plot_show_every_arm_and_claim(answers, cells, claims):
    arms = [arm_figures(arm, cells, answers) for arm in ARMS]
    text = table(Design(seeds=SEEDS), arms, claims, cells)
    for arm in ARMS:
        assert f"| `{arm}` |" in text
    assert code_digest() in text
    drawn = ElementTree.fromstring(plot(claims))
    shown = "".join(drawn.itertext())
    for claim in CLAIMS:
        assert claim.text in text
        assert claim.text in shown


def test_a_table_of_the_finished_seeds_says_how_many_there_are(answers, cells, claims):
    without_the_last = of_finished_seeds([*reversed(cells[:-1])])
    assert without_the_last == cells[: -len(ARMS)]
    arms = [arm_figures(arm, without_the_last, answers) for arm in ARMS]
    told = table(Design(seeds=SEEDS), arms, claims, without_the_last)
    assert told.startswith(f"{SEEDS - 1} of {SEEDS} seeds, ")


def test_the_order_of_cells_finishes_seed_after_seed():
    design = Design(seeds=2)
    assert design.cells[: len(ARMS)] == [(0, arm) for arm in ARMS]
    assert design.core_seconds(60, 260) / 2 / 3600 < 4
