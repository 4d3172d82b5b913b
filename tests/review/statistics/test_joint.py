"""The truth rate and the thresholds from one bootstrap."""

import numpy as np

from synthvlm.review.statistics.bootstrap import SampleWeights
from synthvlm.review.statistics.calibration import precision_curve
from synthvlm.review.statistics.joint import rate_and_curve
from synthvlm.review.statistics.truth_rate import Scores, truth_rate
from tests.review.simulation import votes_by


def test_both_are_what_each_is_by_itself() -> None:
    votes = votes_by([[0.9, 0.9]] * 5, 300, 3, 0.8, gold=10)
    sample = SampleWeights.simple(len(votes.truth))
    scores = Scores(np.random.default_rng(0).random(len(votes.truth)), 0.5)
    rate, curve = rate_and_curve(votes, sample, scores, replicates=20, seed=3)
    assert rate == truth_rate(votes, sample, scores, replicates=20, seed=3)
    assert curve == precision_curve(votes, sample, scores.sampled, replicates=20, seed=3)
    assert len(curve.points) > 5


def test_what_too_few_verdicts_do_not_determine_has_its_reason_in_both() -> None:
    votes = votes_by([[0.9, 0.9]] * 5, 5, 3, 0.8)
    rate, curve = rate_and_curve(votes, SampleWeights.simple(5), Scores(np.zeros(5), 0.0))
    assert rate.reason == curve.reason == "5 pairs have verdicts; an interval needs at least 20"
    assert (rate.interval, rate.pairs, rate.verdicts) == (None, 5, 15)
