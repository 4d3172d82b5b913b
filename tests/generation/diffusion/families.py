"""Tiny pipelines with random weights, of the families that a profile can name, as folders."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from synthvlm.model_folders import resolve_model

WIDTH = 32


def clip_tokenizer():
    """The bundled models' own."""
    return AutoTokenizer.from_pretrained(
        resolve_model("bundled:mini-sdxl") / "tokenizer", local_files_only=True
    )


def clip(kind, tokenizer):
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return kind(config)


def vae(**changes):
    return AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        **changes,
    )


def turbo(folder: Path) -> Path:
    """SDXL Turbo: an SDXL model of its own scheduler, which adds noise in every step."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    pipeline = StableDiffusionXLPipeline(
        vae=vae(latent_channels=4),
        text_encoder=clip(CLIPTextModel, tokenizer),
        text_encoder_2=clip(CLIPTextModelWithProjection, tokenizer),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(16, 32),
            layers_per_block=1,
            sample_size=16,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            norm_num_groups=8,
            use_linear_projection=True,
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=EulerAncestralDiscreteScheduler(timestep_spacing="trailing"),
    )
    pipeline.save_pretrained(folder)
    return folder


def sd3(folder: Path, *, t5: bool) -> Path:
    """Stable Diffusion 3, with or without its third text encoder."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    pipeline = StableDiffusion3Pipeline(
        vae=vae(
            latent_channels=16,
            shift_factor=0.06,
            scaling_factor=1.5,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        text_encoder=clip(CLIPTextModelWithProjection, tokenizer),
        text_encoder_2=clip(CLIPTextModelWithProjection, tokenizer),
        text_encoder_3=t5_encoder() if t5 else None,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=t5_tokenizer() if t5 else None,
        transformer=SD3Transformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=16,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=WIDTH,
            pooled_projection_dim=2 * WIDTH,
            out_channels=16,
            pos_embed_max_size=24,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipeline.save_pretrained(folder)
    return folder


def t5_encoder():
    return T5EncoderModel(
        T5Config(vocab_size=64, d_model=2 * WIDTH, d_kv=16, d_ff=WIDTH, num_layers=2, num_heads=2)
    )


def t5_tokenizer():
    words = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", "a", "red"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )
