"""Pipeline class and scheduler by profile."""

import numpy as np
import pytest
from pydantic import ValidationError

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines import diffusers
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.recipe import SDXL_RECIPE, PipelineRecipe
from synthvlm.models import resolve_model
from synthvlm.progress import SILENT

FILES = f"sha256:{'1' * 64}"
REQUESTS = [ImageRequest("a red circle", 7, Sampling(4, 3.0, 1.0, 32, 32))]
HEUN = PipelineRecipe(scheduler="HeunDiscreteScheduler")


def load(recipe):
    return diffusers.load(
        resolve_model("bundled:mini-sdxl"),
        None,
        device="cpu",
        dtype="float32",
        threads=2,
        batch_multiple=4,
        recipe=recipe,
    )


def test_the_files_identify_a_model_until_something_is_replaced():
    trailing = {"timestep_spacing": "trailing"}
    recipes = (
        SDXL_RECIPE,
        HEUN,
        PipelineRecipe(scheduler="EulerDiscreteScheduler"),
        PipelineRecipe(scheduler="EulerDiscreteScheduler", scheduler_options=trailing),
        PipelineRecipe(pipeline="StableDiffusion3Pipeline"),
    )
    assert SDXL_RECIPE.identify(FILES) == FILES
    assert len({recipe.identify(FILES) for recipe in recipes}) == len(recipes)


def test_another_scheduler_is_another_model_and_makes_other_images():
    ours, own = load(HEUN), load(SDXL_RECIPE)
    assert type(ours._base.scheduler).__name__ == "HeunDiscreteScheduler"
    assert ours.model_digest != own.model_digest
    (one,), (other,) = ours.generate(REQUESTS, SILENT), own.generate(REQUESTS, SILENT)
    assert not np.array_equal(one.pixels, other.pixels)


def test_options_replace_those_of_the_models_scheduler():
    options = {"timestep_spacing": "linspace"}
    recipe = PipelineRecipe(scheduler="EulerDiscreteScheduler", scheduler_options=options)
    config = load(recipe)._base.scheduler.config
    own = load(SDXL_RECIPE)._base.scheduler.config
    assert config.timestep_spacing == "linspace"
    assert config.prediction_type == own.prediction_type


@pytest.mark.parametrize(
    "recipe",
    [PipelineRecipe(pipeline="NoSuchPipeline"), PipelineRecipe(scheduler="UNet2DConditionModel")],
)
def test_a_name_that_diffusers_does_not_have_is_said(recipe):
    with pytest.raises(PreconditionFailed, match="diffusers has no"):
        load(recipe)


def test_the_settings_name_class_scheduler_and_executor():
    settings = GenerationSettings(
        scheduler="EulerDiscreteScheduler",
        scheduler_options={"timestep_spacing": "trailing"},
        executor="onnxruntime",
    )
    engine = load_pipelines(settings)
    assert engine.numerics["executor"] == "onnxruntime"
    assert engine._base.scheduler.config.timestep_spacing == "trailing"


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"scheduler_options": {"shift": 3.0}}, "need a scheduler"),
        ({"pipeline": "StableDiffusion3Pipeline", "refiner": "bundled:x"}, "have a refiner"),
        ({"executor": "onnxruntime", "device": "cuda"}, "computes on the CPU"),
        ({"pipeline": "os.system"}, "pipeline"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(wrong, problem):
    with pytest.raises(ValidationError, match=problem):
        GenerationSettings(**wrong)
