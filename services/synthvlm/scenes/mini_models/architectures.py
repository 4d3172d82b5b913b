"""The shapes of the mini models, with fresh weights, and how they are written to disk.

``python -m synthvlm.scenes.mini_models.architectures --out DIR`` writes a folder for each model
with random weights; training then replaces the weights and nothing else.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import open_clip
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from synthvlm.scenes.mini_models import llm_tokenizer
from synthvlm.scenes.mini_models.clip_tokenizer import CONTEXT, build_tokenizer

IMAGE_SIZE: Final = 64
LATENT_SIZE: Final = 16
WIDTH_1: Final = 64
WIDTH_2: Final = 128
TEXT_LAYERS: Final = 4
SCHEDULE: Final[dict[str, Any]] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
# ImageNet-free statistics: the world's images are centred on 0.5.
CLIP_PREPROCESS: Final[dict[str, Any]] = {
    "size": IMAGE_SIZE,
    "mode": "RGB",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def make_vae() -> AutoencoderKL:
    """Autoencoder from (3, 64, 64) to latents of (4, 16, 16)."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        sample_size=IMAGE_SIZE,
        block_out_channels=(16, 32, 32),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=8,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def make_unet(*, refiner: bool = False) -> UNet2DConditionModel:
    """Denoiser with SDXL's text_time conditioning.

    The refiner sees the second text encoder only, and five time ids (size, crop, aesthetic score)
    instead of six (size, crop, target size).
    """
    time_ids = 5 if refiner else 6
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1),
        attention_head_dim=(4, 4),
        cross_attention_dim=WIDTH_2 if refiner else WIDTH_1 + WIDTH_2,
        addition_embed_type="text_time",
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=16 * time_ids + WIDTH_2,
        use_linear_projection=True,
        norm_num_groups=16,
    )


def make_text_encoders(vocabulary: int, eos: int) -> tuple[nn.Module, nn.Module]:
    """The two CLIP text encoders; SDXL reads their second-to-last layers."""

    def config(width: int, layers: int, activation: str) -> CLIPTextConfig:
        return CLIPTextConfig(
            hidden_act=activation,
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 3,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            projection_dim=width,
            bos_token_id=eos - 1,
            eos_token_id=eos,
            pad_token_id=eos,
        )

    first = CLIPTextModel(config(WIDTH_1, 3, "quick_gelu"))
    return first, CLIPTextModelWithProjection(config(WIDTH_2, TEXT_LAYERS, "gelu"))


def clip_config(vocabulary: int) -> dict[str, Any]:
    """open_clip's description of mini-clip."""
    return {
        "embed_dim": WIDTH_2,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "layers": 4,
            "width": 128,
            "head_width": 32,
            "patch_size": 8,
            "mlp_ratio": 3.0,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "mini-clip",
            "width": WIDTH_2,
            "heads": 4,
            "layers": TEXT_LAYERS,
            "mlp_ratio": 3.0,
        },
    }


def save_base(
    out: Path,
    vae: nn.Module,
    encoders: tuple[nn.Module, nn.Module],
    unet: nn.Module,
) -> None:
    """Writes a ``StableDiffusionXLPipeline`` folder in fp16."""
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=encoders[0],
        text_encoder_2=encoders[1],
        tokenizer=build_tokenizer(),
        tokenizer_2=build_tokenizer(pad_token="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    _save_half(pipeline, out)


def save_refiner(out: Path, vae: nn.Module, encoder: nn.Module, unet: nn.Module) -> None:
    """Writes a refiner folder for ``StableDiffusionXLImg2ImgPipeline`` in fp16."""
    pipeline = StableDiffusionXLImg2ImgPipeline(
        vae=vae,
        text_encoder=None,
        text_encoder_2=encoder,
        tokenizer=None,
        tokenizer_2=build_tokenizer(pad_token="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    _save_half(pipeline, out)


def _save_half(pipeline: Any, out: Path) -> None:
    """Stores fp16 weights that load as float32 unless asked otherwise.

    diffusers loads in float32 by default; transformers uses the dtype that the config names.
    """
    pipeline.to(torch.float16).save_pretrained(out, safe_serialization=True)
    pipeline.to(torch.float32)
    for path in out.glob("text_encoder*/config.json"):
        _load_in_float32(path)


def _load_in_float32(path: Path) -> None:
    """Sets float32 in a transformers config, whatever dtype the weights are stored in."""
    config = json.loads(path.read_text()) | {"dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n")


def make_clip() -> nn.Module:
    """mini-clip with fresh weights."""
    config = clip_config(len(build_tokenizer()))
    return open_clip.CLIP(
        config["embed_dim"],
        open_clip.CLIPVisionCfg(**config["vision_cfg"]),
        open_clip.CLIPTextCfg(**config["text_cfg"]),
    )


def save_clip(out: Path, state: dict[str, torch.Tensor]) -> None:
    """Writes a folder for ``open_clip.create_model("local-dir:...")`` in fp16."""
    tokenizer: CLIPTokenizer = build_tokenizer(pad_token="!")
    tokenizer.save_pretrained(out)
    config = {"model_cfg": clip_config(len(tokenizer)), "preprocess_cfg": CLIP_PREPROCESS}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    half = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in state.items()}
    save_file(half, out / "open_clip_model.safetensors")


def make_llm(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """mini-llm with fresh weights: a small Llama.

    Embeddings are as large as what the layers read (a standard deviation of one), and the layers
    begin by adding nothing to them. With Llama's usual 0.02 for all weights, in a width as small as
    this, the first layers' noise drowns what the words are, and attention is slow to learn which
    word belongs to which. Hence also an output layer of its own, which begins at almost nothing
    (as in modded-nanogpt by Keller Jordan and others).
    """
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=5,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=llm_tokenizer.CONTEXT,
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    for name, weight in model.named_parameters():
        if "embed_tokens" in name:
            nn.init.normal_(weight, std=1.0)
        elif "lm_head" in name:
            nn.init.normal_(weight, std=0.001)
        elif "o_proj" in name or "down_proj" in name:
            nn.init.zeros_(weight)
        elif weight.ndim == 2:
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
    return model


def shrink(model: LlamaForCausalLM, factor: float) -> None:
    """Multiplies what the layers read, and what they add to it, by a factor.

    Every layer divides what it reads by its size (RMSNorm), so the model says the same as before. A
    projector, whose outputs begin small, is better read beside small embeddings.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if any(part in name for part in ("embed_tokens", "o_proj", "down_proj")):
                weight.mul_(factor)


def save_llm(out: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Writes a folder for ``AutoModelForCausalLM`` and ``AutoTokenizer`` in fp16."""
    model.to(torch.float16).save_pretrained(out)
    model.to(torch.float32)
    _load_in_float32(out / "config.json")
    # The chat template goes into the configuration: one file fewer to lose.
    tokenizer.save_pretrained(out, save_jinja_files=False)


def main() -> None:
    """Writes every folder with random weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    vae, encoders = make_vae(), make_text_encoders(len(tokenizer), tokenizer.eos_token_id)
    save_base(out / "mini-sdxl", vae, encoders, make_unet())
    save_refiner(out / "mini-sdxl-refiner", vae, encoders[1], make_unet(refiner=True))
    (out / "mini-clip").mkdir(parents=True, exist_ok=True)
    save_clip(out / "mini-clip", make_clip().state_dict())
    words = llm_tokenizer.build_llm_tokenizer()
    save_llm(out / "mini-llm", make_llm(words), words)


if __name__ == "__main__":
    main()
