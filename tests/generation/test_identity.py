"""What the bytes of an image depend on."""

from dataclasses import replace

import pytest

from synthvlm.errors import NotFound
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.identity import Identity, numerics_of, wanted_identity

DIGEST = f"sha256:{'1' * 64}"


def test_settings_ask_for_what_the_engine_says_of_itself(engine):
    settings = GenerationSettings(refiner="bundled:mini-sdxl-refiner")
    assert wanted_identity(settings) == Identity(engine.model_digest, engine.numerics)


def test_a_replaced_scheduler_is_another_model():
    settings = GenerationSettings()
    other = GenerationSettings(scheduler="EulerDiscreteScheduler")
    assert wanted_identity(settings).model_digest != wanted_identity(other).model_digest


def test_a_digest_stands_for_folders_that_are_not_here():
    settings = GenerationSettings(model="/nowhere", model_digest=DIGEST)
    assert wanted_identity(settings).model_digest == DIGEST
    with pytest.raises(NotFound):
        wanted_identity(GenerationSettings(model="/nowhere"))


def test_threads_count_on_the_cpu_alone():
    common = {"executor": "torch", "dtype": "float16", "batch_multiple": 4}
    assert "threads" not in numerics_of(device="cuda", threads=2, **common)
    assert numerics_of(device="cpu", threads=2, **common)["threads"] == 2


def test_a_difference_is_told_and_an_additional_version_is_none():
    wanted = Identity(DIGEST, {"executor": "onnxruntime", "threads": 2})
    found = replace(wanted, numerics={**wanted.numerics, "onnxruntime": "1.32"})
    assert wanted.difference(found) == ""
    assert found.difference(wanted) == "onnxruntime is missing, not 1.32"
    other = Identity(f"sha256:{'2' * 64}", {"executor": "torch", "threads": 2})
    assert wanted.difference(other) == (
        f"model is {other.model_digest}, not {DIGEST}, executor is torch, not onnxruntime"
    )
