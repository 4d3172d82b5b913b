"""Annotators' error rates from verdicts alone, and with gold pairs."""

import numpy as np
import pytest

from synthvlm.review.statistics.dawid_skene import UNKNOWN, Patterns, Votes, fit
from tests.review.simulation import votes_by

RATES = np.array([[0.95, 0.95], [0.9, 0.8], [0.8, 0.95], [0.85, 0.9], [0.6, 0.99], [0.9, 0.9]])


def test_the_rates_and_the_share_that_made_the_verdicts_are_found() -> None:
    found = fit(votes_by(RATES, pairs=8000))
    assert found.converged
    assert found.prevalence[1, 0] == pytest.approx(0.8, abs=0.02)
    assert np.diagonal(found.confusion[..., 0], axis1=1, axis2=2) == pytest.approx(RATES, abs=0.06)


def test_somebody_who_guesses_is_found_out() -> None:
    rates = [[0.5, 0.5], *[[0.95, 0.95]] * 4]
    confusion = fit(votes_by(rates)).confusion[0, ..., 0]
    assert confusion == pytest.approx(np.full((2, 2), 0.5), abs=0.1)


def test_gold_pairs_show_errors_that_one_verdict_a_pair_does_not() -> None:
    rates = [[0.7, 0.95]] * 3
    without = fit(votes_by(rates, overlap=1)).prevalence[1, 0]
    with_gold = fit(votes_by(rates, overlap=1, gold=400)).prevalence[1, 0]
    assert abs(with_gold - 0.8) < 0.03 < abs(without - 0.8)


def test_gold_pairs_count_in_no_share() -> None:
    votes = votes_by(RATES, pairs=500, gold=500, truth=0.95)
    assert fit(votes).prevalence[1, 0] > 0.9


def test_a_settled_pair_keeps_its_class() -> None:
    votes = votes_by(RATES, pairs=50)
    contrary = np.flatnonzero(np.bincount(votes.pair, votes.label) == 3)[0]
    truth = votes.truth.copy()
    truth[contrary] = 0
    settled = Votes(votes.pair, votes.annotator, votes.label, truth, votes.sampled, 6)
    assert fit(settled).posterior[0, contrary, 0] == 1
    assert fit(settled).prevalence[0, 0] > fit(votes).prevalence[0, 0]


def test_equal_verdicts_give_equal_results_in_whatever_order_they_came() -> None:
    votes = votes_by(RATES, pairs=200)
    order = np.random.default_rng(1).permutation(len(votes.pair))
    other = Votes(
        votes.pair[order], votes.annotator[order], votes.label[order], votes.truth, votes.sampled, 6
    )
    assert fit(votes).prevalence.tobytes() == fit(votes).prevalence.tobytes()
    assert fit(other).posterior == pytest.approx(fit(votes).posterior, abs=1e-9)


def test_a_weight_of_two_is_a_pair_twice() -> None:
    votes = votes_by(RATES, pairs=60)
    weights = np.ones((60, 2))
    weights[:30, 1] = 2
    twice = votes.pair < 30
    doubled = Votes(
        pair=np.concatenate([votes.pair, votes.pair[twice] + 60]),
        annotator=np.concatenate([votes.annotator, votes.annotator[twice]]),
        label=np.concatenate([votes.label, votes.label[twice]]),
        truth=np.full(90, UNKNOWN),
        sampled=np.ones(90, bool),
        annotators=6,
    )
    assert fit(votes, weights).prevalence[1, 1] == pytest.approx(
        fit(doubled).prevalence[1, 0], abs=1e-4
    )


def test_few_verdicts_leave_rates_near_those_of_all() -> None:
    votes = votes_by(RATES, pairs=300)
    rookie = Votes(
        pair=np.append(votes.pair, 0),
        annotator=np.append(votes.annotator, 6),
        label=np.append(votes.label, 0),
        truth=votes.truth,
        sampled=votes.sampled,
        annotators=8,
    )
    confusion = fit(rookie).confusion[..., 0]
    assert 0.6 < confusion[6, 1, 1] < 1
    assert np.isfinite(confusion).all()
    assert confusion[7].sum(axis=1) == pytest.approx(1)


def test_unanimous_verdicts_leave_the_share_below_one() -> None:
    votes = votes_by([[1, 1]] * 3, pairs=40, truth=1)
    assert 0.97 < fit(votes).prevalence[1, 0] < 1


def test_three_classes_work_alike() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice(3, 2000, p=[0.2, 0.3, 0.5])
    pair, annotator = np.repeat(np.arange(2000), 3), np.tile(np.arange(3), 2000)
    wrong = (true[pair] + rng.integers(1, 3, len(pair))) % 3
    label = np.where(rng.random(len(pair)) < 0.85, true[pair], wrong)
    votes = Votes(pair, annotator, label, np.full(2000, UNKNOWN), np.ones(2000, bool), 3, classes=3)
    assert fit(votes).prevalence[:, 0] == pytest.approx([0.2, 0.3, 0.5], abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": np.array([2])}, "label must be from 0 to 1"),
        ({"pair": np.array([1])}, "pair must be from 0 to 0"),
        ({"annotator": np.array([-1])}, "annotator must be from 0 to 0"),
        ({"label": np.array([0, 1])}, "an entry for each verdict"),
        ({"sampled": np.array([False])}, "class of each gold pair must be known"),
        ({"sampled": np.array([True, True])}, "an entry for each pair"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(change, message) -> None:
    one = {name: np.array([0]) for name in ("pair", "annotator", "label")}
    fields = {**one, "truth": np.array([UNKNOWN]), "sampled": np.array([True]), "annotators": 1}
    with pytest.raises(ValueError, match=message):
        Votes(**{**fields, **change})


def test_a_campaign_of_gold_pairs_alone_has_no_share() -> None:
    votes = votes_by(RATES, pairs=0, gold=4)
    with pytest.raises(ValueError, match="must have a pair"):
        fit(votes)


def test_pairs_with_the_same_verdicts_are_fitted_as_one_with_the_same_result() -> None:
    votes = votes_by(RATES[:3], pairs=300, gold=20)
    weights = np.random.default_rng(1).random((320, 2)) + 0.1
    patterns = Patterns.of(votes)
    # Three people and two classes: eight patterns, and those of gold pairs besides.
    assert len(patterns.votes.truth) <= 8 + 16
    one, other = fit(votes, weights), fit(patterns.votes, patterns.totals(weights))
    assert one.prevalence == pytest.approx(other.prevalence, abs=1e-12)
    assert one.confusion == pytest.approx(other.confusion, abs=1e-9)
    assert one.posterior == pytest.approx(other.posterior[:, patterns.pattern], abs=1e-9)


def test_a_fit_that_begins_elsewhere_ends_where_the_others_do() -> None:
    votes = votes_by(RATES, pairs=2000)
    cold = fit(votes)
    counts = np.random.default_rng(0).multinomial(2000, np.full(2000, 1 / 2000))
    drawn = counts[:, None].astype(np.float64)
    warm = fit(votes, drawn, cold.posterior[:, :, 0])
    assert warm.prevalence == pytest.approx(fit(votes, drawn).prevalence, abs=2e-4)
