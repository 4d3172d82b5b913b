"""LLaVA-1.5: a CLIP tower, a projector of two layers with GELU, and a Llama language model.

The parts are put together as transformers' ``LlavaForConditionalGeneration``, and saved as a plain
folder that ``AutoModelForImageTextToText`` and ``AutoProcessor`` load without a network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessor,
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

from synthvlm.errors import InvalidInput
from synthvlm.training.conversation import IMAGE, Template
from synthvlm.training.tower import load_tower, preprocessing, tower_config

FEATURE_LAYER = -2
"""Hidden states that the projector reads: those before the tower's last layer, as in LLaVA."""

CLASS_TOKENS = 1
"""Tokens of the tower that are not patches; the strategy ``default`` leaves them out again."""

_VOCABULARY_MULTIPLE = 64
"""Embeddings that have to grow are padded to a multiple of this, as published checkpoints are."""

_CHAT_TEMPLATE = (
    "{{ bos_token + SYSTEM }}{% for message in messages %}"
    "{{ message['role'].upper() + (': ' if message['role'] == 'user' else ':') }}"
    "{% if message['content'] is string %}"
    "{{ (' ' if message['role'] == 'assistant' else '') + message['content'] }}"
    "{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}"
    "{{ (' ' if message['role'] == 'assistant' else '') + part['text'] }}{% endfor %}"
    "{% endif %}"
    "{{ ' ' if message['role'] == 'user' else eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def chat_template(template: Template) -> str:
    """A template of conversations in Jinja, as processors keep it.

    The content of a message is a text, or a list of images and texts.
    """
    system = f"{template.system} " if template.system else ""
    return _CHAT_TEMPLATE.replace("SYSTEM", repr(system))


@dataclass(frozen=True)
class Parts:
    """Which models are put together.

    Attributes:
        vision_tower: Folder of the CLIP model.
        language_model: Folder of the language model.
    """

    vision_tower: Path
    language_model: Path


def load_tokenizer(folder: Path) -> Any:
    """The language model's tokenizer, with a token for an image and one for padding.

    Raises:
        InvalidInput: It cannot begin or end a text.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        raise InvalidInput(f"the tokenizer in {folder} has no tokens that begin and end a text")
    if tokenizer.convert_tokens_to_ids(IMAGE) in (None, tokenizer.unk_token_id):
        tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]})
    if tokenizer.pad_token is None:
        # Not the end of a text, which has to be learned.
        tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.image_token = IMAGE
    return tokenizer


def load_processor(parts: Parts, template: Template) -> Any:
    """The ``LlavaProcessor``: images as the tower wants them, and as many tokens as it has patches.

    Args:
        parts: Where the tower and the tokenizer are.
        template: How conversations are written.

    Raises:
        InvalidInput: As ``load_tokenizer`` and ``tower_config``.
    """
    vision = tower_config(parts.vision_tower)
    return LlavaProcessor(
        CLIPImageProcessor(**preprocessing(parts.vision_tower)),
        load_tokenizer(parts.language_model),
        patch_size=vision.patch_size,
        vision_feature_select_strategy="default",
        image_token=IMAGE,
        num_additional_image_tokens=CLASS_TOKENS,
        chat_template=chat_template(template),
    )


def image_tokens(vision: Any) -> int:
    """Tokens that one image takes in a text."""
    return int((vision.image_size // vision.patch_size) ** 2)


def llava_config(parts: Parts, tokenizer: Any) -> LlavaConfig:
    """The architecture that the parts make together; reads no weights.

    Raises:
        InvalidInput: The language model is not one of text alone, or as ``tower_config``.
    """
    text = AutoConfig.from_pretrained(parts.language_model, local_files_only=True)
    if not hasattr(text, "vocab_size") or not hasattr(text, "hidden_size"):
        raise InvalidInput(
            f"{parts.language_model} is not a language model; training.language_model must be the "
            f"folder of a Llama-family model of transformers"
        )
    if len(tokenizer) > text.vocab_size:
        text.vocab_size = -(-len(tokenizer) // _VOCABULARY_MULTIPLE) * _VOCABULARY_MULTIPLE
    text.pad_token_id = tokenizer.pad_token_id
    vision = tower_config(parts.vision_tower)
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        projector_hidden_act="gelu",
        vision_feature_select_strategy="default",
        vision_feature_layer=FEATURE_LAYER,
        image_seq_length=image_tokens(vision),
        tie_word_embeddings=bool(text.tie_word_embeddings),
        pad_token_id=tokenizer.pad_token_id,
    )


def assemble(
    parts: Parts,
    tokenizer: Any,
    *,
    seed: int,
    attention: str = "sdpa",
    trains_language_model: bool = True,
    frozen: torch.dtype = torch.float32,
) -> LlavaForConditionalGeneration:
    """The model before its training: tower and language model as given, the projector new.

    Args:
        parts: Where the given parts are.
        tokenizer: As ``load_tokenizer`` gives it.
        seed: Of the projector's weights. The process's own random state is left alone.
        attention: transformers' implementation of attention: ``sdpa`` or ``eager``.
        trains_language_model: Whether the language model is trained, or the projector alone. What
            is not trained has no gradients.
        frozen: Type of the weights that are not trained. Those that are have float32, whatever
            type products are computed in.

    Raises:
        InvalidInput: As ``llava_config``.
    """
    config = llava_config(parts, tokenizer)
    # Nothing is allocated for parts that are replaced below.
    with torch.device("meta"):
        model = LlavaForConditionalGeneration._from_config(config, attn_implementation=attention)
    language_model = AutoModelForCausalLM.from_pretrained(
        parts.language_model,
        dtype=torch.float32 if trains_language_model else frozen,
        attn_implementation=attention,
        local_files_only=True,
    )
    if config.text_config.vocab_size > language_model.config.vocab_size:
        _grow(language_model, config.text_config.vocab_size)
    with torch.random.fork_rng(devices=[]):
        tower = load_tower(parts.vision_tower, frozen)
        torch.manual_seed(seed)
        projector = LlavaMultiModalProjector(config).float()
    tower.set_attn_implementation(attention)
    model.model.vision_tower = tower
    model.model.multi_modal_projector = projector
    model.model.language_model = language_model.model
    model.lm_head = language_model.lm_head
    model.generation_config = GenerationConfig.from_model_config(language_model.config)
    model.requires_grad_(False)
    projector.requires_grad_(True)
    if trains_language_model:
        model.model.language_model.requires_grad_(True)
        model.lm_head.requires_grad_(True)
    model.register_forward_hook(_reach_projector, with_kwargs=True)
    return model


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that have gradients, by name; of tied ones the first."""
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


def save_folder(
    model: LlavaForConditionalGeneration,
    processor: Any,
    folder: Path,
    dtype: torch.dtype,
    state: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Writes the model as a folder of transformers, its keys as published LLaVA checkpoints.

    Args:
        model: The model.
        processor: As ``load_processor`` gives it.
        folder: Where to; made if it does not exist.
        dtype: Type of the weights in the folder.
        state: Its whole state, where the model itself holds only a part of it (FSDP).
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = published_names(model.state_dict() if state is None else state)
    if model.config.tie_word_embeddings:
        del named["language_model.lm_head.weight"]
    save_torch_state_dict(
        {name: one.detach().to("cpu", dtype).contiguous() for name, one in named.items()}, folder
    )
    config = type(model.config).from_dict(model.config.to_dict())
    for one in (config, config.text_config, config.vision_config):
        one.dtype = dtype
        # Paths of the machine that trained it are of no use to others.
        one._name_or_path = ""
    config.architectures = [LlavaForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    processor.save_pretrained(folder)


def published_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state of ``LlavaForConditionalGeneration`` by the names of published checkpoints.

    Other software (vLLM among it) expects ``vision_tower.vision_model``, which transformers reads
    as well but does not write of a model that it has not read from such names.
    """
    renamed = {
        "model.vision_tower.": "vision_tower.vision_model.",
        "model.multi_modal_projector.": "multi_modal_projector.",
        "model.language_model.": "language_model.model.",
        "lm_head.": "language_model.lm_head.",
    }
    out = {}
    for name, values in state.items():
        prefix = next(prefix for prefix in renamed if name.startswith(prefix))
        out[renamed[prefix] + name.removeprefix(prefix)] = values
    return out


def _grow(language_model: Any, size: int) -> None:
    """Adds rows for new tokens: each the mean of the given ones, as LLaVA adds its own."""
    before = language_model.config.vocab_size
    language_model.resize_token_embeddings(size, mean_resizing=False)
    tables = {language_model.get_input_embeddings(), language_model.get_output_embeddings()}
    with torch.no_grad():
        for table in tables:
            table.weight[before:] = table.weight[:before].mean(0, keepdim=True)


def _reach_projector(
    model: Any, _args: tuple[Any, ...], given: dict[str, Any], output: Any
) -> None:
    """Gives the projector gradients of zero where a batch has no images.

    Processes that train together add up the gradients of all parameters, and wait for one another
    where one of them has none. No image is made up for it.
    """
    if given.get("pixel_values") is None and output.loss is not None and model.training:
        projector = model.model.multi_modal_projector
        nothing = projector.linear_1.weight.new_zeros(1, projector.linear_1.in_features)
        output.loss = output.loss + 0.0 * projector(nothing).sum()
