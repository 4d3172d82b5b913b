"""The sizes that engines take. None of it needs a GPU."""

from dataclasses import replace

import pytest

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.diffusion.components import components_of
from synthvlm.generation.tensorrt.ranges import ShapeRange, axis_ranges, latent_factor, shape_ranges
from synthvlm.generation.tensorrt.sizes import BatchProfile, Range, batch_profile
from tests.generation.tensorrt.profiles import BASE, IDENTITY, settings


def test_a_batch_profile_is_what_the_service_makes_of_its_settings():
    found = batch_profile(settings(batch_size=8, width=1024, height=768))
    assert found.images == Range(4, 8, 8)
    assert (found.width, found.height) == (Range(1024, 1024, 1024), Range(768, 768, 768))


def test_sides_vary_where_the_settings_let_them():
    found = batch_profile(settings(width=1024, height=768, tensorrt={"sides": (512, 1152)}))
    assert found.width == Range(512, 1024, 1152)
    assert found.height == Range(512, 768, 1152)


@pytest.mark.parametrize(("guidance", "best"), [(20.0, 16), (1.0, 8)])
def test_the_denoiser_gets_two_samples_an_image_with_guidance(guidance, best):
    found = batch_profile(settings(batch_size=8, guidance_scale=guidance))
    # A request may choose either way, so both batches are within the range.
    assert found.denoised == Range(4, best, 16)


def test_a_batch_profile_survives_json():
    found = batch_profile(settings(tensorrt={"sides": (32, 128)}))
    assert BatchProfile.from_json(found.to_json()) == found


@pytest.mark.parametrize("lengths", [(0, 1, 2), (2, 1, 3), (1, 3, 2)])
def test_lengths_out_of_order_are_not_a_range(lengths):
    with pytest.raises(ValueError, match="not a range"):
        Range(*lengths)


def test_every_component_gets_the_shapes_of_its_batches(pipelines):
    batches = batch_profile(settings({"batch_multiple": 8}, {"sides": (32, 128)}, batch_size=8))
    found = {
        name: shape_ranges(component.inputs, axis_ranges(component, batches, latent_factor(BASE)))
        for name, component in components_of(pipelines.by_role["base"]).items()
    }
    tokens = (8, 77)
    assert found["text_encoder"] == {"input_ids": ShapeRange(tokens, tokens, tokens)}
    assert found["vae"] == {
        "latents": ShapeRange((8, 4, 8, 8), (8, 4, 16, 16), (8, 4, 32, 32)),
    }
    unet = found["unet"]
    assert unet["sample"] == ShapeRange((8, 4, 8, 8), (16, 4, 16, 16), (16, 4, 32, 32))
    assert unet["timestep"] == ShapeRange((), (), ())
    assert unet["time_ids"].best == (16, 6)


def test_sides_that_are_not_whole_latents_are_refused(pipelines):
    batches = replace(IDENTITY.batches, width=Range(60, 66, 66))
    component = components_of(pipelines.by_role["base"])["vae"]
    with pytest.raises(PreconditionFailed, match="multiples of 4 pixels"):
        axis_ranges(component, batches, 4)


def test_pixels_a_latent_are_what_the_pipeline_says(pipelines, tmp_path):
    assert latent_factor(BASE) == pipelines.by_role["base"].vae_scale_factor
    with pytest.raises(PreconditionFailed, match="has no readable VAE"):
        latent_factor(tmp_path)
