"""Samples, and the probabilities that come with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.review.sampling.design import CampaignDesign, SampleDesign
from synthvlm.review.sampling.drawing import draw


def design(kind: SampleDesign, size: int, seed: int = 0, **more: object) -> CampaignDesign:
    values = {"title": "t", "sample_design": kind, "sample_size": size, "seed": seed, **more}
    return CampaignDesign.model_validate(values)


@given(
    kind=st.sampled_from(SampleDesign),
    population=st.integers(1, 200),
    size=st.integers(1, 250),
    seed=st.integers(0, 2**63 - 1),
    strata=st.integers(2, 10),
)
def test_a_sample_has_the_size_that_was_asked_for_and_no_pair_twice(
    kind: SampleDesign, population: int, size: int, seed: int, strata: int
) -> None:
    scores = np.random.default_rng(seed).random(population).round(1)
    sample = draw(design(kind, size, seed, strata=strata), population, scores)
    assert len(sample.rows) == len(set(sample.rows.tolist())) == min(size, population)
    assert ((sample.inclusion > 0) & (sample.inclusion <= 1 + 1e-9)).all()
    # Each design is one of a fixed size: in the mean, a pair stands for so many of the whole.
    if size >= population:
        assert sample.inclusion == pytest.approx(np.ones(population))


@pytest.mark.parametrize("kind", SampleDesign)
def test_weighted_by_their_probabilities_samples_estimate_the_whole(kind: SampleDesign) -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(500)
    truth = rng.random(500) < 0.2 + 0.7 * scores  # depends on what the design looks at
    estimates = [
        (truth[one.rows] / one.inclusion).sum() / 500
        for one in (draw(design(kind, 60, seed), 500, scores) for seed in range(800))
    ]
    # Four standard errors of the mean.
    assert np.mean(estimates) == pytest.approx(truth.mean(), abs=4 * np.std(estimates) / 800**0.5)


def test_each_stratum_has_as_many() -> None:
    sample = draw(design(SampleDesign.STRATIFIED, 50, strata=5), 1_000, np.arange(1_000.0))
    assert np.bincount(sample.strata).tolist() == [10] * 5
    assert np.array_equal(sample.strata, sample.rows // 200)


def test_the_border_comes_first_and_more_often() -> None:
    kind = SampleDesign.BORDERLINE_FIRST
    sample = draw(design(kind, 100, borderline_score=700.0), 1_000, np.arange(1_000.0))
    distance = np.abs(sample.rows - 700)
    assert (np.diff(distance) >= 0).all()
    assert np.median(distance) < 250
    assert sample.inclusion[0] > 3 * sample.inclusion[-1]


def test_without_scores_a_sample_can_only_be_simple() -> None:
    assert len(draw(design(SampleDesign.SIMPLE, 5), 10, None).rows) == 5
    with pytest.raises(ValueError, match="can only be simple"):
        draw(design(SampleDesign.STRATIFIED, 5), 10, None)
