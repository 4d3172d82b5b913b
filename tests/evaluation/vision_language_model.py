"""A LLaVA of the bundled mini models with a projector that nothing has trained."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from synthvlm.model_folders import resolve_model

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% if message['role'] == 'user' %} {% else %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def make_model(folder: Path, seed: int = 0) -> Path:
    """Writes mini-clip's tower, a random projector and mini-llm as a folder of transformers."""
    torch.manual_seed(seed)
    language = resolve_model("bundled:mini-llm")
    llm = AutoModelForCausalLM.from_pretrained(language, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(language)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=64,
            patch_size=8,
            hidden_act="gelu",
        ),
        text_config=llm.config,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=64,
        tie_word_embeddings=llm.config.tie_word_embeddings,
    )
    model = LlavaForConditionalGeneration(config)
    tower = getattr(model.model.vision_tower, "vision_model", model.model.vision_tower)
    tower.load_state_dict(_tower(resolve_model("bundled:mini-clip")))
    model.model.language_model.load_state_dict(llm.model.state_dict())
    model.lm_head.load_state_dict(llm.lm_head.state_dict())
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(
            size={"shortest_edge": 64},
            crop_size={"height": 64, "width": 64},
            image_mean=[0.5] * 3,
            image_std=[0.25] * 3,
        ),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder


def _tower(folder: Path) -> dict[str, torch.Tensor]:
    """The image tower of an open_clip model by the names of ``CLIPVisionModel``."""
    state = load_file(folder / "open_clip_model.safetensors")
    layers = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]["vision_cfg"]
    found: dict[str, Any] = {
        "embeddings.class_embedding": state["visual.class_embedding"],
        "embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "embeddings.patch_embedding.weight": state["visual.conv1.weight"],
    }
    norms = {"ln_pre": "pre_layrnorm", "ln_post": "post_layernorm"}
    names = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for kind in ("weight", "bias"):
        found |= {f"{new}.{kind}": state[f"visual.{old}.{kind}"] for old, new in norms.items()}
        for layer in range(layers["layers"]):
            old, new = f"visual.transformer.resblocks.{layer}", f"encoder.layers.{layer}"
            for theirs, ours in names.items():
                found[f"{new}.{ours}.{kind}"] = state[f"{old}.{theirs}.{kind}"]
            for part, values in zip(
                "qkv", state[f"{old}.attn.in_proj_{kind}"].chunk(3), strict=True
            ):
                found[f"{new}.self_attn.{part}_proj.{kind}"] = values
    return {name: values.float() for name, values in found.items()}
