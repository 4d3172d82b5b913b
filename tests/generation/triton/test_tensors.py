"""Requests and samples as arrays, and what is made of them."""

from dataclasses import replace

import numpy as np
import pytest

from synthvlm.errors import InvalidInput
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import BLANK, NOT_FINITE, ImageRequest, Sample, Sampling
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.triton.groups import split
from synthvlm.generation.triton.tensors import (
    INPUTS,
    OUTPUTS,
    read_request,
    read_sample,
    write_request,
    write_sample,
)
from synthvlm.storage.batch_places import Places

SAMPLING = Sampling(4, 3.3, 0.8, 32, 40, "blue, größer 🙂")
SETTINGS = GenerationSettings(
    pipeline=PipelineSettings(refiner="bundled:mini-sdxl-refiner"),
    max_pixels=64 * 64,
    steps=9,
    width=64,
    height=64,
)
REQUEST = ImageRequest("a red circle", 2**63 - 1, SAMPLING)


def test_a_request_comes_out_as_it_went_in():
    arrays = write_request(REQUEST)
    assert set(arrays) == {one.name for one in INPUTS}
    for one in INPUTS:
        array = arrays[one.name]
        assert array.dtype == one.dtype
        assert array.shape[0] == 1
        assert len(array.shape) == 1 + len(one.dims)
    assert read_request(arrays, SETTINGS) == REQUEST


def test_what_is_left_out_is_as_the_profile_says():
    arrays = write_request(ImageRequest("x", 0, SETTINGS.sampling))
    arrays |= {one.name: np.zeros((1, 1), one.dtype) for one in INPUTS if one.dims == (1,)}
    assert read_request(arrays, SETTINGS).sampling == SETTINGS.sampling


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (replace(REQUEST, prompt=""), ["prompt"]),
        (replace(REQUEST, prompt="x" * 16_385), ["prompt"]),
        (replace(REQUEST, seed=-1), ["seed"]),
        (replace(REQUEST, sampling=replace(SAMPLING, steps=501, height=7)), ["steps", "height"]),
        (replace(REQUEST, sampling=replace(SAMPLING, width=72, height=64)), ["width", "height"]),
    ],
)
def test_wrong_values_are_named_by_their_inputs(request_, fields):
    with pytest.raises(InvalidInput) as raised:
        read_request(write_request(request_), SETTINGS)
    assert [one.field for one in raised.value.violations] == fields
    assert all(f"{field}: " in raised.value.message for field in fields)


def test_without_a_refiner_its_part_is_refused():
    settings = SETTINGS.model_copy(update={"pipeline": PipelineSettings()})
    with pytest.raises(InvalidInput, match="high_noise_fraction: must be 1"):
        read_request(write_request(REQUEST), settings)


def test_bytes_that_are_no_text_and_two_images_are_refused():
    arrays = write_request(REQUEST)
    with pytest.raises(InvalidInput, match="negative_prompt: is not UTF-8"):
        read_request({**arrays, "negative_prompt": np.array([[255]], np.uint8)}, SETTINGS)
    with pytest.raises(InvalidInput, match="batch: "):
        read_request({**arrays, "seed": np.array([[1], [2]], np.int64)}, SETTINGS)


@pytest.mark.parametrize("defect", [None, BLANK, NOT_FINITE])
def test_a_sample_comes_out_as_it_went_in(defect):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 32, 3), dtype=np.uint8)
    arrays = write_sample(Sample(pixels, defect, truncated=defect is None))
    for one in OUTPUTS:
        assert arrays[one.name].dtype == one.dtype
        assert arrays[one.name].shape[0] == 1
    sample = read_sample(arrays)
    assert np.array_equal(sample.pixels, pixels)
    assert (sample.defect, sample.truncated) == (defect, defect is None)


def test_groups_have_equal_parameters_and_the_pipelines_size_at_most():
    other = replace(SAMPLING, steps=5)
    jobs = [
        (ImageRequest(f"{n}", n, other if n % 3 == 1 else SAMPLING), f"request {n}")
        for n in range(11)
    ]
    groups = list(split(jobs, Places(4)))
    assert [[request.seed for request, _ in group] for group in groups] == [
        [0, 2, 3, 5],
        [6, 8, 9],
        [1, 4, 7, 10],
    ]
    assert all(belonging == f"request {one.seed}" for group in groups for one, belonging in group)
    assert list(split([], Places(4))) == []
