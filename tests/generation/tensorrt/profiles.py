"""Profiles for TensorRT, and a GPU that the tests do not have."""

from typing import Any

from synthvlm.generation.config import GenerationSettings, TensorRtSettings
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.tensorrt.target import Target, engine_identity
from synthvlm.model_folders import resolve_model

BASE, REFINER = resolve_model("bundled:mini-sdxl"), resolve_model("bundled:mini-sdxl-refiner")
H100 = Target("11.4.0.106", "9.0", "NVIDIA H100 80GB HBM3")


def settings(
    pipeline: dict[str, Any] | None = None, tensorrt: dict[str, Any] | None = None, **changes: Any
) -> GenerationSettings:
    """Settings that need engines, with changes."""
    on_gpu = {"executor": "tensorrt", "device": "cuda", "dtype": "float16"}
    return GenerationSettings(
        **{"width": 64, "height": 64, **changes},
        pipeline=PipelineSettings(**{**on_gpu, **(pipeline or {})}),
        tensorrt=TensorRtSettings(**{"store": "file:///engines", **(tensorrt or {})}),
    )


IDENTITY = engine_identity(settings(), H100)
