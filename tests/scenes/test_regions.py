"""Regions of boolean images, against SciPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from synthvlm.scenes import regions

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans())


@given(MASKS)
def test_pieces_touch_by_their_sides_and_are_numbered_by_their_first_pixels(mask) -> None:
    numbered, count = regions.pieces(mask)
    expected, expected_count = ndimage.label(mask)
    assert count == expected_count
    assert (numbered == expected).all()


@given(MASKS)
def test_depth_is_the_distance_to_the_nearest_pixel_outside(mask) -> None:
    mask = np.pad(mask, 1)
    assert (regions.depth(mask) == ndimage.distance_transform_edt(mask)).all()


@given(MASKS)
def test_growth_takes_in_what_touches_by_a_side(mask) -> None:
    assert (regions.grown(mask) == ndimage.binary_dilation(mask)).all()
