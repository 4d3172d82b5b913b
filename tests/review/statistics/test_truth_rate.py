"""The truth rate's interval: how often it contains the truth, and when there is none."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from synthvlm.review.statistics.bootstrap import SampleWeights, interval, wilson
from synthvlm.review.statistics.dawid_skene import Votes
from synthvlm.review.statistics.truth_rate import Scores, truth_rate
from tests.review.simulation import votes_by

RIGHT = [[0.9, 0.9]] * 8


def simple(votes) -> SampleWeights:
    return SampleWeights.simple(len(votes.truth))


def without(votes, verdicts):
    """The votes without some verdicts."""
    keep = ~verdicts
    return replace(
        votes, pair=votes.pair[keep], annotator=votes.annotator[keep], label=votes.label[keep]
    )


def test_the_interval_contains_the_truth_as_often_as_it_says_and_the_majoritys_does_not() -> None:
    ours, majoritys, campaigns = 0, 0, 120
    for seed in range(campaigns):
        votes = votes_by(RIGHT, pairs=300, truth=0.91, gold=20, seed=seed)
        found = truth_rate(votes, simple(votes), replicates=60, seed=seed).interval
        assert found is not None
        ours += found.low <= 0.91 <= found.high
        share = (np.bincount(votes.pair, votes.label)[:300] >= 2).mean()
        low, high = wilson(share, 300)
        majoritys += low <= 0.91 <= high
    assert ours / campaigns > 0.9
    assert majoritys / campaigns < 0.8


def test_equal_verdicts_and_seeds_give_equal_intervals() -> None:
    votes = votes_by(RIGHT, pairs=100)
    first, second, other = (truth_rate(votes, simple(votes), seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def bad_and_good() -> Votes:
    """Verdicts on 400 pairs of which few are true, and on 400 of which most are."""
    bad = votes_by(RIGHT, pairs=400, truth=0.3, seed=1)
    good = votes_by(RIGHT, pairs=400, truth=0.9, seed=2)
    return replace(
        bad,
        pair=np.concatenate([bad.pair, good.pair + 400]),
        annotator=np.concatenate([bad.annotator, good.annotator]),
        label=np.concatenate([bad.label, good.label]),
        truth=np.concatenate([bad.truth, good.truth]),
        sampled=np.concatenate([bad.sampled, good.sampled]),
    )


def test_a_stratified_sample_is_weighted_back_to_the_version() -> None:
    # Half of the sample comes from a tenth of the version, where few pairs are true.
    votes = bad_and_good()
    strata = np.repeat([0, 1], 400)
    weights = SampleWeights(np.where(strata == 0, 1.0, 9.0), strata)
    found = truth_rate(votes, weights, replicates=50).interval
    unweighted = truth_rate(votes, simple(votes), replicates=50).interval
    assert found is not None
    assert unweighted is not None
    assert found.low < 0.84 < found.high
    assert unweighted.high < 0.7


def test_the_scale_of_weights_does_not_matter() -> None:
    votes = votes_by(RIGHT, pairs=60, gold=20)
    large = SampleWeights(np.full(80, 1000.0), np.zeros(80, int))
    one, other = (truth_rate(votes, w, replicates=20).interval for w in (simple(votes), large))
    assert one is not None
    assert other is not None
    assert other.estimate == pytest.approx(one.estimate)
    assert other.width == pytest.approx(one.width)


def test_unanimous_verdicts_leave_the_error_of_the_sample() -> None:
    votes = votes_by([[1, 1]] * 3, pairs=50, truth=1)
    found = truth_rate(votes, simple(votes)).interval
    assert found is not None
    assert found.low < 0.95
    assert found.high == pytest.approx(1, abs=0.01)


def test_scores_that_know_something_make_the_interval_narrower() -> None:
    votes = votes_by(RIGHT, pairs=400, truth=0.6, gold=40)
    true = np.random.default_rng(0).random(400) < 0.6
    scores = np.concatenate([true + np.random.default_rng(3).normal(0, 0.3, 400), np.zeros(40)])
    found = truth_rate(votes, simple(votes), Scores(scores, 0.6))
    assert found.interval is not None
    assert found.with_scores is not None
    assert found.with_scores.width < 0.8 * found.interval.width
    assert found.with_scores.low < 0.6 < found.with_scores.high


@pytest.mark.parametrize("value", ["noise", "constant"])
def test_scores_that_know_nothing_change_little(value) -> None:
    votes = votes_by(RIGHT, pairs=200)
    noise = np.random.default_rng(3).normal(size=200)
    scores = noise if value == "noise" else np.ones(200)
    found = truth_rate(votes, simple(votes), Scores(scores, float(scores.mean())))
    assert found.interval is not None
    assert found.with_scores is not None
    assert found.with_scores.estimate == pytest.approx(found.interval.estimate, abs=0.005)
    assert found.with_scores.width == pytest.approx(found.interval.width, rel=0.05)


def test_one_verdict_a_pair_is_enough_with_gold_and_wider() -> None:
    once, thrice = (votes_by(RIGHT, pairs=400, overlap=k, gold=40, seed=5) for k in (1, 3))
    one, three = (truth_rate(votes, simple(votes)).interval for votes in (once, thrice))
    assert one is not None
    assert three is not None
    assert one.low < 0.8 < one.high
    assert one.width > 1.2 * three.width


def test_too_few_verdicts_have_a_reason_and_no_interval() -> None:
    once = votes_by(RIGHT, pairs=400, overlap=1)
    found = truth_rate(once, simple(once))
    assert found.interval is None
    assert "50 pairs need 3 verdicts, or gold pairs 20 answers" in found.reason
    few = votes_by(RIGHT, pairs=19)
    assert "19 pairs have verdicts" in truth_rate(few, simple(few)).reason
    none = votes_by(RIGHT, pairs=0, gold=20)
    assert "0 pairs have verdicts" in truth_rate(none, simple(none)).reason


def test_annotators_who_are_mostly_wrong_tell_no_rate() -> None:
    votes = votes_by([[0.4, 0.4]] * 5, pairs=200, gold=60)
    found = truth_rate(votes, simple(votes), replicates=20)
    assert found.interval is None
    assert "hardly better than chance" in found.reason


def test_pairs_without_verdicts_do_not_count() -> None:
    votes = votes_by(RIGHT, pairs=200, gold=20, seed=7)
    half = without(votes, (votes.pair < 200) & (votes.pair % 2 == 1))
    found = truth_rate(half, simple(half))
    assert found.pairs == 100
    assert found.verdicts == 300
    assert found.gold_answers == 160
    assert found.interval is not None
    assert found.interval.low < 0.8 < found.interval.high


def test_pairs_that_are_judged_from_the_borderline_on_have_no_rate_until_the_end() -> None:
    votes = votes_by(RIGHT, pairs=200)
    half = without(votes, votes.pair >= 100)
    unequal = SampleWeights(np.linspace(1, 9, 200), np.zeros(200, int))
    assert "100 pairs wait for their first verdict" in truth_rate(half, unequal).reason
    assert truth_rate(votes, unequal, replicates=20).interval is not None


def test_a_stratum_without_verdicts_is_waited_for() -> None:
    votes = votes_by(RIGHT, pairs=200)
    weights = SampleWeights(np.ones(200), (np.arange(200) >= 100).astype(int))
    assert "100 pairs wait" in truth_rate(without(votes, votes.pair >= 100), weights).reason


def test_a_stratum_that_is_partly_judged_counts_whole() -> None:
    votes = bad_and_good()
    partly = without(votes, votes.pair >= 500)
    weights = SampleWeights(np.ones(800), np.repeat([0, 1], 400))
    found = truth_rate(partly, weights, replicates=50).interval
    assert found is not None
    assert found.low < 0.6 < found.high
    assert found.low > (400 * 0.3 + 100 * 0.9) / 500


@pytest.mark.parametrize("estimate", [0.001, 0.5, 0.91, 0.999])
@pytest.mark.parametrize("error", [0.0, 0.01, 0.3])
def test_an_interval_lies_between_nothing_and_everything(estimate, error) -> None:
    found = interval(estimate, error, 400)
    low, high = wilson(estimate, 400)
    assert 0 <= found.low <= min(low, estimate)
    assert max(high, estimate) <= found.high <= 1


def test_wilson_equals_the_reference() -> None:
    for count, of in [(0, 10), (3, 10), (364, 400), (400, 400)]:
        expected = proportion_confint(count, of, method="wilson")
        assert wilson(count / of, of) == pytest.approx(expected, abs=1e-12)
