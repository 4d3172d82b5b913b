"""How many parameters a model has, and what its training takes of each GPU's memory.

Counted on torch's meta device, which knows shapes and allocates nothing: a 13B model in a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from synthvlm.training.model import FEATURE_LAYER, image_tokens
from synthvlm.training.settings import PRETRAIN, TrainingSettings

_BYTES = {"float32": 4, "bfloat16": 2}
_ADAM = 8
"""Bytes of AdamW's two moments of a parameter, in float32."""

CLIP_L_336 = CLIPVisionConfig(
    hidden_size=1024,
    intermediate_size=4096,
    num_hidden_layers=24,
    num_attention_heads=16,
    image_size=336,
    patch_size=14,
    projection_dim=768,
)
"""openai/clip-vit-large-patch14-336."""

VICUNA_7B = LlamaConfig(
    hidden_size=4096,
    intermediate_size=11008,
    num_hidden_layers=32,
    num_attention_heads=32,
    vocab_size=32000,
    max_position_embeddings=4096,
)
"""lmsys/vicuna-7b-v1.5."""

VICUNA_13B = LlamaConfig(
    hidden_size=5120,
    intermediate_size=13824,
    num_hidden_layers=40,
    num_attention_heads=40,
    vocab_size=32000,
    max_position_embeddings=4096,
)
"""lmsys/vicuna-13b-v1.5."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of a model by its parts; tied ones count once."""

    vision_tower: int
    projector: int
    language_model: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.vision_tower + self.projector + self.language_model

    def trained(self, stage: str) -> int:
        """Those that a stage trains."""
        return self.projector + (0 if stage == PRETRAIN else self.language_model)


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of each GPU in a stage.

    Attributes:
        weights: Of all parts.
        gradients: Of what is trained.
        optimizer: Its two moments.
        activations: What a micro-batch leaves for its backward pass, and the logits: an estimate.
        gathered: With FSDP, what is whole at a time: one layer and the next, and all that is not a
            layer of the language model.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    gathered: int

    @property
    def total(self) -> int:
        """All together, without what the allocator loses in between."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.gathered


def architecture(text: LlamaConfig, vision: CLIPVisionConfig) -> LlavaConfig:
    """LLaVA-1.5 of two parts."""
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        projector_hidden_act="gelu",
        vision_feature_layer=FEATURE_LAYER,
        vision_feature_select_strategy="default",
        image_seq_length=image_tokens(vision),
        tie_word_embeddings=bool(text.tie_word_embeddings),
    )


def count_parameters(config: LlavaConfig) -> Parameters:
    """The parameters of a model with this architecture."""
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    core: Any = model.model
    count = {
        name: sum(one.numel() for one in part.parameters())
        for name, part in (
            ("vision_tower", core.vision_tower),
            ("projector", core.multi_modal_projector),
            ("language_model", core.language_model),
        )
    }
    if not config.text_config.tie_word_embeddings:
        count["language_model"] += model.lm_head.weight.numel()
    return Parameters(**count)


def memory_plan(
    config: LlavaConfig, settings: TrainingSettings, stage: str, gpus: int
) -> MemoryPlan:
    """What a stage takes of each GPU.

    Trained weights, gradients and moments are float32; frozen weights have the type that products
    are computed in, but with FSDP, which gathers weights of one type. Activations are those of
    Korthikanti et al. (2022, "Reducing Activation Recomputation in Large Transformer Models") with
    attention that keeps no scores: 34 bytes a token, layer and unit of width in 16 bits; with
    gradient checkpointing each layer keeps its input alone, and one layer is computed again. Rows
    are as long as they may be.

    Args:
        config: The architecture.
        settings: Precision, sharding, micro-batch and length.
        stage: ``pretrain`` or ``finetune``.
        gpus: GPUs that train together.
    """
    parameters = count_parameters(config)
    trained = parameters.trained(stage)
    is_sharded = settings.sharding == "fsdp2"
    parts = gpus if is_sharded else 1
    frozen_bytes = 4 if is_sharded else _BYTES[settings.dtype]
    weights = 4 * trained + frozen_bytes * (parameters.total - trained)
    text = config.text_config
    tokens = settings.stage(stage).micro_batch * settings.max_length
    scale = _BYTES[settings.dtype] // 2
    layer = 34 * tokens * text.hidden_size * scale
    if settings.gradient_checkpointing:
        kept = 2 * scale * tokens * text.hidden_size * text.num_hidden_layers + layer
    else:
        kept = layer * text.num_hidden_layers
    # Fused kernels never have all logits at once; others have them, their float32 copy, and both's
    # gradients.
    logits = 0 if settings.liger else 12 * tokens * text.vocab_size
    per_layer = _layer_parameters(text)
    root = parameters.total - per_layer * text.num_hidden_layers
    return MemoryPlan(
        weights=weights // parts,
        gradients=4 * trained // parts,
        optimizer=_ADAM * trained // parts,
        activations=kept + logits,
        gathered=_BYTES[settings.dtype] * (2 * per_layer + root) if is_sharded else 0,
    )


def _layer_parameters(text: LlamaConfig) -> int:
    heads = text.num_key_value_heads / text.num_attention_heads
    attention = (2 + 2 * heads) * text.hidden_size**2
    return int(attention + 3 * text.hidden_size * text.intermediate_size)


PUBLISHED: Mapping[str, LlavaConfig] = {
    "7b": architecture(VICUNA_7B, CLIP_L_336),
    "13b": architecture(VICUNA_13B, CLIP_L_336),
}
"""The paper's models, by the names of their profiles."""
