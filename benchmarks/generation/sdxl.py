"""SDXL's base and refiner to measure with: at full size with random weights, or the bundled ones.

Speed and memory do not depend on the weights. The tokenizers are those of the bundled models.
"""

from collections.abc import Callable
from typing import Any

import torch
import transformers
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from synthvlm.generation.onnx.full_size import make_component
from synthvlm.model_folders import resolve_model

Pair = dict[str, Any]
"""The pipelines by role."""


def full_size(device: str, dtype: torch.dtype, refines: bool) -> Pair:
    """The published configuration with random weights, always the same ones on a device."""

    def made(name: str) -> Any:
        with torch.device(device):
            return make_component(name, dtype)[1]

    def tokenizer(name: str) -> Any:
        folder = resolve_model("bundled:mini-sdxl") / name
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def scheduler() -> Any:
        return EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        )

    shared = {
        "vae": made("vae"),
        "text_encoder_2": made("text_encoder_2"),
        "tokenizer_2": tokenizer("tokenizer_2"),
        "add_watermarker": False,
    }
    pair = {
        "base": StableDiffusionXLPipeline(
            text_encoder=made("text_encoder"),
            tokenizer=tokenizer("tokenizer"),
            unet=made("unet"),
            scheduler=scheduler(),
            **shared,
        )
    }
    if refines:
        pair["refiner"] = StableDiffusionXLImg2ImgPipeline(
            text_encoder=None,
            tokenizer=None,
            unet=made("refiner_unet"),
            scheduler=scheduler(),
            requires_aesthetics_score=True,
            force_zeros_for_empty_prompt=False,
            **shared,
        )
    return pair


def tiny(device: str, dtype: torch.dtype, refines: bool) -> Pair:
    """The bundled models, to try the benchmark where there is no GPU."""
    options = {"dtype": dtype, "local_files_only": True}
    base = StableDiffusionXLPipeline.from_pretrained(resolve_model("bundled:mini-sdxl"), **options)
    pair = {"base": base.to(device)}
    if refines:
        refiner = resolve_model("bundled:mini-sdxl-refiner")
        pair["refiner"] = StableDiffusionXLImg2ImgPipeline.from_pretrained(refiner, **options).to(
            device
        )
    return pair


CONFIGURATIONS: dict[str, tuple[Callable[[str, torch.dtype, bool], Pair], int]] = {
    "sdxl": (full_size, 1024),
    "tiny": (tiny, 64),
}
"""What there is to measure, and its side in pixels."""
