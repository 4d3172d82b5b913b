"""The choice: the best cell, or a cheaper one that is as good."""

import math

import pytest

from synthvlm.errors import PreconditionFailed
from synthvlm.tuning.comparison import compare
from synthvlm.tuning.grid import Cell
from tests.tuning.cells import FAST, MIDDLE, SLOW, measured


def chosen(*cells_measured):
    return compare(cells_measured).chosen.measured.cell


def test_the_best_is_chosen_when_it_is_measurably_better():
    assert chosen(measured(FAST, 0.20), measured(MIDDLE, 0.22), measured(SLOW, 0.25)) == SLOW


def test_of_equally_good_ones_the_cheapest_is_chosen():
    found = compare([measured(FAST, 0.20), measured(MIDDLE, 0.25), measured(SLOW, 0.2505)])
    assert found.chosen.measured.cell == MIDDLE
    assert [one.is_as_good for one in found.cells].count(True) == 2


def test_differences_smaller_than_the_scores_spread_are_seen():
    found = compare([measured(FAST, 0.240), measured(SLOW, 0.245)])
    best, other = found.cells
    # The intervals of the means overlap by far; that of the difference does not reach 0.
    assert best.mean - best.margin < other.mean + other.margin
    assert not other.is_as_good
    assert found.chosen is best


def test_guidance_costs_twice():
    with_guidance = measured(Cell(guidance_scale=2.0), 0.25, noise=0)
    without = measured(Cell(guidance_scale=1.0), 0.25, noise=0)
    assert (with_guidance.evaluations, without.evaluations) == (20, 10)
    assert chosen(with_guidance, without) == without.cell


def test_the_choice_does_not_depend_on_the_machine_or_the_order():
    runs = [measured(FAST, 0.25), measured(MIDDLE, 0.25), measured(SLOW, 0.25)]
    slow_clock = [measured(FAST, 0.25, seconds=9.0), *runs[1:]]
    assert chosen(*runs) == chosen(*reversed(runs)) == chosen(*slow_clock)


def test_captions_without_a_score_in_every_cell_do_not_count():
    one, other = measured(FAST, 0.25, captions=10), measured(SLOW, 0.20, captions=20)
    assert compare([one, other]).captions == 10
    with pytest.raises(PreconditionFailed, match="no caption has a scored image"):
        compare([one, measured(SLOW, 0.2, captions=0)])


def test_one_caption_tells_nothing():
    found = compare([measured(FAST, 0.2, captions=1), measured(SLOW, 0.3, captions=1)])
    assert math.isinf(found.cells[0].margin)
    assert found.cells[0].is_as_good
