"""Components of a full-size configuration with random weights, to try the export without downloads.

The configurations are those of the published SDXL base and refiner.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from synthvlm.generation.diffusion.components import Component, Decoder, TextEncoder, Unet
from synthvlm.generation.onnx.full_size_names import COMPONENTS

POOLED = 1280
"""Length of SDXL's pooled text embedding."""

_ATTENTION_BLOCKS = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}


def _text_encoder() -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            hidden_act="quick_gelu",
            projection_dim=768,
        )
    )


def _text_encoder_2() -> Any:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=20,
            hidden_act="gelu",
            projection_dim=POOLED,
        )
    )


def _unet() -> Any:
    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        layers_per_block=2,
        attention_head_dim=(5, 10, 20),
        transformer_layers_per_block=(1, 2, 10),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
        **_ATTENTION_BLOCKS,
    )


def _refiner_unet() -> Any:
    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(384, 768, 1536, 1536),
        layers_per_block=2,
        attention_head_dim=(6, 12, 24, 24),
        transformer_layers_per_block=4,
        cross_attention_dim=1280,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2560,
        down_block_types=(
            "DownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )


def _vae() -> Any:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=1024,
        scaling_factor=0.13025,
        force_upcast=True,
    )


_MAKERS: dict[str, tuple[Callable[[], Any], Callable[[Any], Component]]] = dict(
    zip(
        COMPONENTS,
        (
            (_text_encoder, TextEncoder),
            (_vae, Decoder),
            (_text_encoder_2, TextEncoder),
            (_refiner_unet, lambda module: Unet(module, POOLED)),
            (_unet, lambda module: Unet(module, POOLED)),
        ),
        strict=True,
    )
)


def make_component(name: str, precision: torch.dtype) -> tuple[Component, Any]:
    """A component of SDXL with random weights.

    Args:
        name: One of ``COMPONENTS``.
        precision: Type of its weights; they are created in it, to save memory.

    Returns:
        Its kind, and the PyTorch module on the CPU.
    """
    make, kind = _MAKERS[name]
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(precision)
    try:
        module = make().eval()
    finally:
        torch.set_default_dtype(before)
    module.requires_grad_(False)
    return kind(module), module
