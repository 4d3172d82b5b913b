"""What the bytes of an image depend on."""

from dataclasses import replace

import pytest

from synthvlm.errors import NotFound
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.identity import Identity, numerics_of, wanted_identity
from synthvlm.generation.pipeline import PipelineSettings

DIGEST = f"sha256:{'1' * 64}"


def test_settings_ask_for_what_the_engine_says_of_itself(pipelines):
    settings = GenerationSettings(pipeline={"refiner": "bundled:mini-sdxl-refiner"})
    assert wanted_identity(settings) == Identity(pipelines.model_digest, pipelines.numerics)


def test_a_replaced_scheduler_is_another_model():
    settings = GenerationSettings()
    other = GenerationSettings(pipeline={"scheduler": "EulerDiscreteScheduler"})
    assert wanted_identity(settings).model_digest != wanted_identity(other).model_digest


def test_a_digest_stands_for_folders_that_are_not_here():
    settings = GenerationSettings(pipeline={"model": "/nowhere"}, triton={"model_digest": DIGEST})
    assert wanted_identity(settings).model_digest == DIGEST
    with pytest.raises(NotFound):
        wanted_identity(GenerationSettings(pipeline={"model": "/nowhere"}))


def test_threads_count_on_the_cpu_alone():
    assert "threads" not in numerics_of(PipelineSettings(device="cuda:1"))
    assert numerics_of(PipelineSettings(device="cpu", threads=3))["threads"] == 3


def test_numerics_of_the_same_settings_stay_the_same():
    """They are in shards' keys: they must never change."""
    assert numerics_of(PipelineSettings(device="cuda:1"), {"sm": "9.0"}) == {
        "executor": "torch",
        "device": "cuda",
        "dtype": "float32",
        "batch_multiple": 4,
        "sm": "9.0",
    }
    assert "reserved_places" not in numerics_of(PipelineSettings())
    reserving = PipelineSettings(device="cuda", reserved_places=1)
    assert numerics_of(reserving)["reserved_places"] == 1


def test_a_difference_is_told_and_an_additional_version_is_none():
    wanted = Identity(DIGEST, {"executor": "onnxruntime", "threads": 2})
    found = replace(wanted, numerics={**wanted.numerics, "onnxruntime": "1.32"})
    assert wanted.difference(found) == ""
    assert found.difference(wanted) == "onnxruntime is missing, not 1.32"
    other = Identity(f"sha256:{'2' * 64}", {"executor": "torch", "threads": 2})
    assert wanted.difference(other) == (
        f"model is {other.model_digest}, not {DIGEST}, executor is torch, not onnxruntime"
    )
