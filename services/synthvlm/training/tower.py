"""The vision tower: a CLIP image encoder as transformers has it, from either of two formats."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, CLIPVisionConfig, CLIPVisionModel

from synthvlm.errors import InvalidInput

OPEN_CLIP_CONFIG = "open_clip_config.json"
_OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
_TRANSFORMERS_CONFIG = "config.json"

# transformers does spell it `layrnorm`.
_NORMS = {"ln_pre": "pre_layrnorm", "ln_post": "post_layernorm"}
_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def tower_config(folder: Path) -> CLIPVisionConfig:
    """The architecture of the image encoder in ``folder``.

    Args:
        folder: An open_clip model with a ViT, or a CLIP model of transformers.

    Raises:
        InvalidInput: It is neither.
    """
    if (folder / OPEN_CLIP_CONFIG).is_file():
        return _open_clip_config(folder)
    if not (folder / _TRANSFORMERS_CONFIG).is_file():
        raise _unknown(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    vision = getattr(config, "vision_config", config)
    if not isinstance(vision, CLIPVisionConfig):
        raise _unknown(folder)
    return vision


def load_tower(folder: Path, dtype: torch.dtype) -> CLIPVisionModel:
    """The image encoder in ``folder``, for inference.

    Raises:
        InvalidInput: As ``tower_config``.
    """
    if (folder / OPEN_CLIP_CONFIG).is_file():
        tower = CLIPVisionModel(_open_clip_config(folder))
        tower.load_state_dict(converted(load_file(folder / _OPEN_CLIP_WEIGHTS)))
        return tower.to(dtype)
    # Of a whole CLIP it reads the vision half.
    return CLIPVisionModel.from_pretrained(
        folder, config=tower_config(folder), dtype=dtype, local_files_only=True
    )


def preprocessing(folder: Path) -> dict[str, Any]:
    """Arguments of ``CLIPImageProcessor`` for the tower in ``folder``."""
    size = tower_config(folder).image_size
    square = {"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}}
    if (folder / OPEN_CLIP_CONFIG).is_file():
        given = json.loads((folder / OPEN_CLIP_CONFIG).read_text(encoding="utf-8"))
        preprocess = given["preprocess_cfg"]
        return {**square, "image_mean": preprocess["mean"], "image_std": preprocess["std"]}
    file = folder / "preprocessor_config.json"
    if not file.is_file():
        return square  # transformers' defaults are OpenAI's means
    given = json.loads(file.read_text(encoding="utf-8"))
    return {**square, "image_mean": given["image_mean"], "image_std": given["image_std"]}


def converted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The image tower of an open_clip model by the names of ``CLIPVisionModel``."""
    out = {
        "embeddings.class_embedding": state["visual.class_embedding"],
        "embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "embeddings.patch_embedding.weight": state["visual.conv1.weight"],
    }
    for kind in ("weight", "bias"):
        for ours, theirs in _NORMS.items():
            out[f"{theirs}.{kind}"] = state[f"visual.{ours}.{kind}"]
    layer = 0
    while (old := f"visual.transformer.resblocks.{layer}.") + "ln_1.weight" in state:
        new = f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            for ours, theirs in _LAYER.items():
                out[f"{new}{theirs}.{kind}"] = state[f"{old}{ours}.{kind}"]
            # open_clip keeps query, key and value in one matrix.
            packed = state[f"{old}attn.in_proj_{kind}"].chunk(3)
            for part, values in zip("qkv", packed, strict=True):
                out[f"{new}self_attn.{part}_proj.{kind}"] = values.clone()
        layer += 1
    return {name: values.float() for name, values in out.items()}


def _open_clip_config(folder: Path) -> CLIPVisionConfig:
    model = json.loads((folder / OPEN_CLIP_CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    vision = model["vision_cfg"]
    if not isinstance(vision.get("layers"), int) or "timm_model_name" in vision:
        raise _unknown(folder)
    width = vision["width"]
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=int(width * vision.get("mlp_ratio", 4.0)),
        num_hidden_layers=vision["layers"],
        num_attention_heads=width // vision.get("head_width", 64),
        image_size=vision["image_size"],
        patch_size=vision["patch_size"],
        projection_dim=model["embed_dim"],
        hidden_act="quick_gelu" if model.get("quick_gelu") else "gelu",
    )


def _unknown(folder: Path) -> InvalidInput:
    return InvalidInput(
        f"{folder} is not a CLIP model with a vision transformer; training.vision_tower must be an "
        f"open_clip folder ({OPEN_CLIP_CONFIG}) or a CLIP folder of transformers"
    )
