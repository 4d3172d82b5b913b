"""An engine against the component that it is for. None of it needs a GPU."""

from dataclasses import replace

import pytest
import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.diffusion.components import components_of
from synthvlm.generation.tensorrt.ranges import ShapeRange, axis_ranges, shape_ranges
from synthvlm.generation.tensorrt.runtime import EngineTensor, require_component
from tests.generation.tensorrt.profiles import IDENTITY


def decoder(pipelines):
    return components_of(pipelines.by_role["base"])["vae"]


def decoder_tensors(component, dtype=torch.float16):
    ranges = shape_ranges(component.inputs, axis_ranges(component, IDENTITY.batches, 4))
    return (
        [EngineTensor("latents", dtype, ranges["latents"]), EngineTensor("image", dtype)],
        ranges,
    )


def test_an_engine_of_the_component_is_accepted(pipelines):
    tensors, ranges = decoder_tensors(decoder(pipelines))
    require_component("base-vae", tensors, decoder(pipelines), torch.float16, ranges)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: [t[0]], "lacks the output image"),
        (lambda t: [*t, EngineTensor("mask", torch.float16)], "has an output mask"),
        (lambda t: [replace(t[0], name="sample"), t[1]], "has an input sample"),
        (lambda t: [replace(t[0], dtype=torch.float32), t[1]], "float32, not float16"),
        (lambda t: [replace(t[0], dtype=None), t[1]], "None, not float16"),
        (lambda t: [replace(t[0], shapes=ShapeRange((1,), (1,), (1,))), t[1]], "accepts latents"),
    ],
)
def test_a_engine_of_something_else_is_refused(pipelines, change, problem):
    tensors, ranges = decoder_tensors(decoder(pipelines))
    with pytest.raises(PreconditionFailed, match=problem) as refused:
        require_component("base-vae", change(tensors), decoder(pipelines), torch.float16, ranges)
    assert "synthvlm engines build" in refused.value.message
