"""The compiled filter against Pillow's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthvlm.alignment.bicubic import resize_square


def pillows(pixels, side):
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(1, 200),
    after=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
    extreme=st.booleans(),
)
def test_a_square_is_resized_to_pillows_bytes(before, after, seed, extreme):
    pixels = np.random.default_rng(seed).integers(0, 256, (before, before, 3), np.uint8)
    if extreme:  # the filter's negative weights reach beyond black and white
        pixels = np.where(pixels > 127, 255, 0).astype(np.uint8)
    assert np.array_equal(resize_square(pixels, after), pillows(pixels, after))


@pytest.mark.parametrize(("before", "after"), [(1024, 336), (336, 1024), (1024, 224), (999, 1000)])
def test_images_of_the_pipelines_size_too(before, after):
    pixels = np.random.default_rng(before).integers(0, 256, (before, before, 3), np.uint8)
    assert np.array_equal(resize_square(pixels, after), pillows(pixels, after))


def test_an_image_of_the_side_asked_for_stays():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    assert resize_square(pixels, 9) is pixels
