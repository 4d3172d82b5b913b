"""CLIPScore and the weighted score against their formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.alignment.clip_score import PROMPT_PREFIX, clip_scores, distinct, prompt
from synthvlm.alignment.weighted import Range, Weighting

unit = st.floats(0, 1, allow_nan=False)
scores = st.floats(-2, 2, allow_nan=False)
ranges = st.tuples(st.floats(-1, 0.4), st.floats(0.5, 1)).map(lambda ends: Range(*ends))


def test_the_papers_prompt():
    assert prompt(PROMPT_PREFIX, "a cat") == "A photo depicts a cat"


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 16))
def test_clip_score_is_the_cosine_clipped_at_zero(seed, pairs, dimension):
    rng = np.random.default_rng(seed)
    images, texts = rng.normal(size=(2, pairs, dimension)).astype(np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    expected = [
        max(0.0, sum(float(a) * float(b) for a, b in zip(x, y, strict=True)))
        for x, y in zip(images, texts, strict=True)
    ]
    made = clip_scores(images, texts)
    assert made == pytest.approx(expected, abs=1e-12)
    assert np.all((made >= 0) & (made <= 1))
    for row in range(pairs):
        assert clip_scores(images[row : row + 1], texts[row : row + 1])[0] == made[row]


def test_not_a_number_stays_one():
    broken = np.array([[np.nan, 1]], np.float32)
    assert np.isnan(clip_scores(broken, broken)[0])


@given(st.lists(st.sampled_from(["a", "b", "c"])))
def test_distinct_texts_are_embedded_once(texts):
    unique, places = distinct(texts)
    assert len(set(unique)) == len(unique)
    assert [unique[place] for place in places] == texts


@given(unit, scores, scores, ranges, ranges)
def test_the_weighted_score_is_the_mean_of_scaled_scores(
    weight, clip, ssim, clip_range, ssim_range
):
    def scaled(value, ends):
        return min(max((value - ends.low) / (ends.high - ends.low), 0), 1)

    made = Weighting(weight, clip_range, ssim_range).score(clip, ssim)
    expected = weight * scaled(clip, clip_range) + (1 - weight) * scaled(ssim, ssim_range)
    assert made == pytest.approx(expected, abs=1e-12)
    assert -1e-12 <= made <= 1 + 1e-12


@given(unit, scores, scores, st.floats(0, 1))
def test_the_weighted_score_never_falls_with_either_score(weight, clip, ssim, more):
    weighting = Weighting(weight, Range(0.0, 0.5), Range(0.0, 1.0))
    made = weighting.score(clip, ssim)
    assert weighting.score(clip + more, ssim) >= made - 1e-12
    assert weighting.score(clip, ssim + more) >= made - 1e-12


def test_the_papers_means():
    # 0.36 of 0..0.5 and 0.86 of 0..1 with equal weights: the paper quotes 0.79 for its own set.
    assert Weighting(0.5, Range(0.0, 0.5), Range(0.0, 1.0)).score(0.36, 0.86) == pytest.approx(0.79)
