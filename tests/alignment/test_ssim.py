"""SSIM against its definition, written out window by window."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthvlm.alignment import bicubic
from synthvlm.alignment.ssim import MIN_SIDE, ssim, ssim_score, through_vlm, window
from synthvlm.alignment.ssim_kernel import WINDOW, add_similarity
from tests.alignment.compared import as_scikit_image, pairs


def naive(first, second):
    """Equation 13 of Wang et al. at every place of the window, in plain Python and float64."""
    height, width, channels = first.shape
    down, across = (min(WINDOW, n - 1 + n % 2) for n in (height, width))
    total = 0.0
    weights = [
        [
            math.exp(-((i - down // 2) ** 2 + (j - across // 2) ** 2) / (2 * 1.5**2))
            for j in range(across)
        ]
        for i in range(down)
    ]
    weights = np.array(weights) / np.sum(weights)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    places = 0
    for channel in range(channels):
        for top in range(height - down + 1):
            for left in range(width - across + 1):
                x = first[top : top + down, left : left + across, channel].astype(np.float64)
                y = second[top : top + down, left : left + across, channel].astype(np.float64)
                mx, my = (weights * x).sum(), (weights * y).sum()
                vx = (weights * (x - mx) ** 2).sum()
                vy = (weights * (y - my) ** 2).sum()
                cov = (weights * (x - mx) * (y - my)).sum()
                total += ((2 * mx * my + c1) * (2 * cov + c2)) / (
                    (mx**2 + my**2 + c1) * (vx + vy + c2)
                )
                places += 1
    return total / places


@settings(max_examples=25, deadline=None)
@given(pairs(st.integers(MIN_SIDE, 17)))
def test_ssim_is_its_definition(pair):
    assert ssim(*pair) == pytest.approx(naive(*pair), abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(pairs(st.integers(WINDOW, 90)))
def test_ssim_is_scikit_images(pair):
    assert ssim(*pair) == pytest.approx(as_scikit_image(*pair), abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(pairs(st.integers(MIN_SIDE, 40)))
def test_ssim_is_symmetric_bounded_and_one_for_equals(pair):
    first, second = pair
    value = ssim(first, second)
    assert -1 <= value <= 1
    assert ssim(second, first) == pytest.approx(value, abs=1e-12)
    assert ssim(first, first) == pytest.approx(1, abs=1e-14)
    assert ssim(first.transpose(1, 0, 2), second.transpose(1, 0, 2)) == pytest.approx(
        value, abs=1e-10
    )


@pytest.mark.parametrize("size", [(60, 200), (300, 33), (138, 42), (139, 43), (267, 11)])
def test_tiles_and_strips_do_not_change_the_value(size):
    first, second = np.random.default_rng(3).integers(0, 256, (2, *size, 3), np.uint8)
    assert ssim(first, second) == pytest.approx(as_scikit_image(first, second), abs=1e-12)


@pytest.mark.parametrize(
    ("side", "length"), [(8, 7), (9, 9), (10, 9), (11, 11), (12, 11), (99, 11)]
)
def test_the_window_fits_and_its_weights_are_a_mean(side, length):
    weights = window(side)
    assert np.count_nonzero(weights) == length
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    assert np.array_equal(weights, weights[::-1])


def test_images_that_cannot_be_compared_are_refused():
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="differ"):
        ssim(image, image[:, :7])
    with pytest.raises(ValueError, match="at least 8"):
        ssim(image[:7], image[:7])


def test_functions_are_compiled_once_wherever_an_image_is_from():
    own = np.random.default_rng(4).integers(0, 256, (16, 16, 3), np.uint8)
    for pixels in (own, np.asarray(Image.fromarray(own)), own[:8, :8]):
        ssim(pixels, through_vlm(pixels, 12))
    kernels = (add_similarity, bicubic._across, bicubic._down)
    assert [len(kernel.signatures) for kernel in kernels] == [1, 1, 1]


def test_ssim_score_falls_with_what_the_vlm_cannot_see():
    rng = np.random.default_rng(0)
    fine = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((64, 64))
    assert ssim_score(fine, 64) == pytest.approx(1, abs=1e-12)
    assert ssim_score(coarse, 16) > 0.9 > ssim_score(fine, 16)
    assert ssim_score(fine, 48) > ssim_score(fine, 32) > ssim_score(fine, 16)


@pytest.mark.parametrize("size", [(40, 56), (56, 40), (40, 40)])
def test_the_degraded_image_is_pillows_bicubic_there_and_back(size):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    image = Image.fromarray(pixels)
    small = image.resize((24, 24), Image.Resampling.BICUBIC)
    expected = np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))
    assert np.array_equal(through_vlm(pixels, 24), expected)
    assert ssim_score(image, 24) == ssim(pixels, expected)


def test_an_image_smaller_than_the_vlms_input_loses_little():
    rng = np.random.default_rng(2)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    image = coarse.resize((32, 32), Image.Resampling.BICUBIC)
    assert ssim_score(image, 336) > 0.99
