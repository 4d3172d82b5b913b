"""Pipeline class and scheduler by profile."""

import numpy as np
import pytest
from pydantic import ValidationError

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.progress import SILENT

FILES = f"sha256:{'0' * 64}"
REQUESTS = [ImageRequest("a red circle", 7, Sampling(4, 3.0, 1.0, 32, 32))]
TRAILING = {"timestep_spacing": "trailing"}
HEUN = {"scheduler": "HeunDiscreteScheduler"}


def load(**pipeline):
    return load_pipelines(GenerationSettings(pipeline=pipeline))


def test_the_bundled_files_alone_identify_their_model(pipelines):
    settings = PipelineSettings(refiner="bundled:mini-sdxl-refiner")
    assert settings.model_digest() == settings.files_digest() == pipelines.model_digest


@pytest.mark.parametrize(
    ("pipeline", "digest"),
    [
        ({}, "0" * 64),
        (
            {"scheduler": "EulerDiscreteScheduler", "scheduler_options": TRAILING},
            "e24695cc21d418e639dc82e060a0fc3ea3bb01a163818aea0ec934ffe18ae36a",
        ),
        (
            {"scheduler": "DPMSolverMultistepScheduler"},
            "c5687f2eebcbe5fc04710325515962102cd7703db74fb1d966251f722529fe91",
        ),
        (
            {"class_name": "StableDiffusion3Pipeline"},
            "3926647793c260bc09aaff3b340cc20d38d1e5c531aa3d807bbfd74d57d12a9b",
        ),
    ],
)
def test_the_files_identify_a_model_until_something_is_replaced(pipeline, digest):
    """The digests are in shards' keys: they must never change."""
    assert PipelineSettings(**pipeline).identify(FILES) == f"sha256:{digest}"


def test_another_scheduler_is_another_model_and_makes_other_images():
    ours, own = load(**HEUN), load()
    assert type(ours.by_role["base"].scheduler).__name__ == "HeunDiscreteScheduler"
    assert ours.model_digest != own.model_digest
    (one,), (other,) = ours.generate(REQUESTS, SILENT), own.generate(REQUESTS, SILENT)
    assert not np.array_equal(one.pixels, other.pixels)


def test_options_replace_those_of_the_models_scheduler():
    options = {"timestep_spacing": "linspace"}
    loaded = load(scheduler="EulerDiscreteScheduler", scheduler_options=options)
    config = loaded.by_role["base"].scheduler.config
    own = load().by_role["base"].scheduler.config
    assert config.timestep_spacing == "linspace"
    assert config.prediction_type == own.prediction_type


@pytest.mark.parametrize(
    "wrong", [{"class_name": "NoSuchPipeline"}, {"scheduler": "SchedulerMixinScheduler"}]
)
def test_a_name_that_diffusers_does_not_have_is_said(wrong):
    with pytest.raises(PreconditionFailed, match="diffusers has no"):
        load(**wrong)


def test_the_settings_name_scheduler_and_executor():
    loaded = load(
        scheduler="EulerDiscreteScheduler", scheduler_options=TRAILING, executor="onnxruntime"
    )
    assert loaded.numerics["executor"] == "onnxruntime"
    assert loaded.by_role["base"].scheduler.config.timestep_spacing == "trailing"


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"scheduler_options": {"shift": 3.0}}, "need a scheduler"),
        ({"class_name": "StableDiffusion3Pipeline", "refiner": "bundled:x"}, "have a refiner"),
        ({"executor": "onnxruntime", "device": "cuda"}, "runs on the CPU"),
        ({"executor": "tensorrt"}, "runs on a GPU"),
        ({"class_name": "os.system"}, "class_name"),
        ({"dtyp": "float16"}, "dtyp"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(wrong, problem):
    with pytest.raises(ValidationError, match=problem):
        GenerationSettings(pipeline=wrong)
