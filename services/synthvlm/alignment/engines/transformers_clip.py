"""Translates CLIP models of Hugging Face's transformers to open_clip's architecture.

open_clip computes with its own classes and reads only its own checkpoints, while the paper's model
(``openai/clip-vit-base-patch32``) is published as a transformers folder. Both describe the same
networks: this module translates names and joins the attention's three projections.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from safetensors.torch import load_file
from transformers import CLIPConfig

from synthvlm.errors import PreconditionFailed

_LEGACY_EOS = 2  # what transformers wrote before 4.31; its models pool at the highest token

_TOWERS = {"text_model.": "", "vision_model.": "visual."}
_NAMES = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "final_layer_norm.": "ln_final.",
    "pre_layrnorm.": "ln_pre.",  # the published checkpoints' own spelling
    "post_layernorm.": "ln_post.",
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}
_PROJECTIONS = {
    "visual_projection.weight": "visual.proj",
    "text_projection.weight": "text_projection",
}


@dataclass(frozen=True)
class Translation:
    """A transformers folder in open_clip's terms.

    Attributes:
        model: Keyword arguments of ``open_clip.CLIP``.
        preprocess: Keyword arguments of open_clip's ``PreprocessCfg``.
        weights: Its state dictionary.
    """

    model: dict[str, Any]
    preprocess: dict[str, Any]
    weights: dict[str, torch.Tensor]


def is_transformers_folder(folder: Path) -> bool:
    """Whether a folder contains a model in transformers' format and none in open_clip's."""
    return (folder / "config.json").is_file() and not (folder / "open_clip_config.json").is_file()


def translate(folder: Path) -> Translation:
    """Reads a folder written by ``CLIPModel.save_pretrained`` and ``CLIPProcessor``.

    Raises:
        PreconditionFailed: The model is not a CLIP that open_clip can express.
        OSError: A file is missing.
    """
    config = CLIPConfig.from_pretrained(folder, local_files_only=True)
    return Translation(
        model=_model(config, folder),
        preprocess=_preprocess(folder, config.vision_config.image_size),
        weights=_weights(folder),
    )


def _model(config: Any, folder: Path) -> dict[str, Any]:
    vision, text = config.vision_config, config.text_config
    activations = {vision.hidden_act, text.hidden_act}
    if config.model_type != "clip" or activations not in ({"gelu"}, {"quick_gelu"}):
        raise PreconditionFailed(
            f"{folder} does not contain a CLIP model with the activation gelu or quick_gelu"
        )
    pooling = (
        {"pool_type": "argmax"}
        if text.eos_token_id == _LEGACY_EOS
        else {"pool_type": "eos", "eos_id": text.eos_token_id}
    )
    return {
        "embed_dim": config.projection_dim,
        "quick_gelu": activations == {"quick_gelu"},
        "vision_cfg": {
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "head_width": vision.hidden_size // vision.num_attention_heads,
            "mlp_ratio": vision.intermediate_size / vision.hidden_size,
            "norm_kwargs": {"eps": vision.layer_norm_eps},
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
            "layers": text.num_hidden_layers,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "mlp_ratio": text.intermediate_size / text.hidden_size,
            "norm_kwargs": {"eps": text.layer_norm_eps},
            **pooling,
        },
    }


def _preprocess(folder: Path, image_size: int) -> dict[str, Any]:
    file = folder / "preprocessor_config.json"
    stated = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {
        "size": image_size,
        "mean": tuple(stated.get("image_mean", OPENAI_DATASET_MEAN)),
        "std": tuple(stated.get("image_std", OPENAI_DATASET_STD)),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    safe = folder / "model.safetensors"
    stored: dict[str, torch.Tensor] = (
        load_file(safe)
        if safe.is_file()
        else torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
    )
    translated = {"logit_scale": stored["logit_scale"]}
    for name, value in stored.items():
        for prefix, tower in _TOWERS.items():
            rest = name.removeprefix(prefix)
            # Position ids are not weights; older versions of the library stored them.
            if rest == name or rest.endswith("position_ids"):
                continue
            if ".q_proj." in rest:
                parts = [stored[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
                kind = rest.rpartition(".")[2]
                joined = _rename(rest.partition("self_attn.")[0])
                translated[f"{tower}{joined}attn.in_proj_{kind}"] = torch.cat(parts)
            elif ".k_proj." not in rest and ".v_proj." not in rest:
                translated[tower + _rename(rest)] = value
    for name, ours in _PROJECTIONS.items():
        translated[ours] = stored[name].T.contiguous()
    return {name: value.float() for name, value in translated.items()}


def _rename(name: str) -> str:
    for theirs, ours in _NAMES.items():
        name = name.replace(theirs, ours)
    return name
