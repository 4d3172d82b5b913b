"""The calculator of sample sizes, against intervals of simulated campaigns."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from synthvlm.review.statistics.bootstrap import SampleWeights
from synthvlm.review.statistics.sample_size import (
    Annotators,
    expected_width,
    plans,
    plans_of,
)
from synthvlm.review.statistics.truth_rate import truth_rate
from tests.review.simulation import votes_by


@pytest.mark.parametrize(("truth", "overlap"), [(0.91, 3), (0.6, 3), (0.8, 5), (0.8, 1)])
def test_the_width_is_what_campaigns_have(truth, overlap) -> None:
    widths = []
    for seed in range(12):
        votes = votes_by([[0.9, 0.9]] * 10, 400, overlap, truth, gold=20, seed=seed)
        found = truth_rate(votes, SampleWeights.simple(420), replicates=60).interval
        assert found is not None
        widths.append(found.width)
    expected = expected_width(truth, 400, overlap, Annotators(0.9, 0.9, 100, 100))
    assert np.mean(widths) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("width", [0.03, 0.07, 0.2])
def test_a_plan_is_the_smallest_that_gives_the_width(width) -> None:
    annotators = Annotators()
    for plan in plans(0.91, width, annotators):
        assert plan.width <= width
        assert expected_width(0.91, plan.pairs - 1, plan.overlap, annotators) > width


def test_plans_come_by_what_they_cost() -> None:
    verdicts = [plan.verdicts for plan in plans(0.8, 0.05, Annotators())]
    assert verdicts == sorted(verdicts)
    assert len(verdicts) > 1


def test_annotators_who_err_more_cost_more() -> None:
    def pairs(right: float) -> int:
        (plan,) = plans(0.9, 0.06, Annotators(right, right), overlaps=[3])
        return plan.pairs

    assert pairs(0.98) < pairs(0.9) < pairs(0.8)


def test_without_gold_one_verdict_a_pair_is_never_enough() -> None:
    overlaps = {plan.overlap for plan in plans(0.8, 0.05, Annotators(gold_true=0, gold_false=0))}
    assert 1 not in overlaps
    assert 3 in overlaps


def test_annotators_without_errors_leave_wilsons_interval() -> None:
    (plan,) = plans(0.9, 0.05, Annotators(0.9999, 0.9999), overlaps=[3])
    low, high = proportion_confint(0.9 * plan.pairs, plan.pairs, method="wilson")
    assert high - low == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"truth": 1.0}, "truth must be between 0 and 1"),
        ({"width": 0.0}, "width must be between 0 and 1"),
        ({"annotators": Annotators(sensitivity=1.0)}, "sensitivity must be between"),
        ({"annotators": Annotators(0.5, 0.5)}, "must add up to more than 1"),
    ],
)
def test_what_cannot_be_planned_is_refused(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        plans(**{"truth": 0.9, "width": 0.05, "annotators": Annotators(), **values})


def test_pairs_with_one_verdict_add_less_than_those_with_several() -> None:
    def width(share: float) -> float:
        return expected_width(0.9, 400, 3, Annotators(), share=share)

    assert width(1.0) < width(0.5) < width(0.0)
    assert width(0.0) == expected_width(0.9, 400, 1, Annotators())
    (plan,) = plans_of(0.9, 400, Annotators(), overlaps=[3], share=0.5)
    assert (plan.verdicts, plan.width) == (800, width(0.5))
