"""Precision against threshold, from verdicts with errors."""

import numpy as np
import pytest

from synthvlm.review.statistics.bootstrap import SampleWeights
from synthvlm.review.statistics.calibration import Curve, precision_curve
from synthvlm.review.statistics.dawid_skene import UNKNOWN, Votes

PAIRS = 1500
RIGHT = 0.85


def campaign(seed=0, sample=None):
    """Verdicts on pairs that are true with the probability that is their score.

    Args:
        sample: Probability with which a pair of some score is drawn.
    """
    rng = np.random.default_rng(seed)
    scores = rng.random(PAIRS * 4)
    inclusion = np.full(len(scores), 0.25) if sample is None else sample(scores)
    chosen = rng.random(len(scores)) < inclusion
    scores, inclusion = scores[chosen], inclusion[chosen]
    truth = rng.random(len(scores)) < scores
    pair = np.repeat(np.arange(len(scores)), 3)
    annotator = np.argsort(rng.random((len(scores), 6)))[:, :3].ravel()
    correct = rng.random(len(pair)) < RIGHT
    votes = Votes(
        pair=pair,
        annotator=annotator,
        label=(truth[pair] == correct).astype(int),
        truth=np.full(len(scores), UNKNOWN),
        sampled=np.ones(len(scores), bool),
        annotators=6,
    )
    return votes, SampleWeights(1 / inclusion, np.zeros(len(scores), int)), scores


def curve(**options) -> Curve:
    return precision_curve(*campaign(**options), replicates=60)


def test_the_bands_contain_the_precision() -> None:
    inside = points = 0
    for seed in range(4):
        for point in curve(seed=seed).points:
            true = (1 + point.threshold) / 2
            inside += point.precision.low <= true <= point.precision.high
            points += 1
            assert point.kept == pytest.approx(1 - point.threshold, abs=0.05)
    assert inside / points > 0.85


def test_the_precision_of_a_threshold_is_not_drawn_towards_that_of_all() -> None:
    points = [point for seed in range(4) for point in curve(seed=seed).points[-5:]]
    above = np.mean([point.precision.estimate - (1 + point.threshold) / 2 for point in points])
    assert above == pytest.approx(0, abs=0.015)


def test_weights_of_a_sample_from_the_borderline_count() -> None:
    def drawn(scores):
        return np.where(scores < 0.5, 0.45, 0.05)

    weighted = precision_curve(*campaign(sample=drawn), replicates=60)
    votes, _, scores = campaign(sample=drawn)
    as_drawn = precision_curve(votes, SampleWeights.simple(len(scores)), scores, replicates=60)
    low, high = weighted.points[0].precision.low, weighted.points[0].precision.high
    assert low < 0.5 < high
    assert as_drawn.points[0].precision.high < 0.45


def test_the_threshold_for_a_precision_is_the_lowest_that_surely_gives_it() -> None:
    found = curve()
    point = found.threshold_for(0.8)
    assert point is not None
    assert point.precision.low >= 0.8
    assert 0.6 < point.threshold < 0.8
    lower = [other for other in found.points if other.threshold < point.threshold]
    assert lower[-1].precision.low < 0.8
    assert found.threshold_for(0.999) is None


def test_thresholds_may_be_chosen_and_those_that_hardly_any_pair_reaches_are_left_out() -> None:
    votes, weights, scores = campaign()
    found = precision_curve(
        votes, weights, scores, thresholds=np.array([0.5, 0.2, 0.999]), replicates=20
    )
    assert [point.threshold for point in found.points] == [0.2, 0.5]
    assert found.points[1].pairs == (scores >= 0.5).sum()


def test_too_few_verdicts_give_a_reason_and_no_points() -> None:
    one = np.zeros(1, int)
    votes = Votes(one, one, one, np.array([UNKNOWN]), np.array([True]), 1)
    found = precision_curve(votes, SampleWeights.simple(1), np.zeros(1))
    assert not found.points
    assert "1 pairs have verdicts" in found.reason
    assert found.threshold_for(0.5) is None
