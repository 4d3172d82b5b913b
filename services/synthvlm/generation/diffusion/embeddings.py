"""Embeddings of prompts, kept so that the repeats of a caption share them."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

_NAMES = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
"""What ``encode_prompt`` of SDXL's pipelines returns, and what the pipelines take."""

_Rows = tuple[torch.Tensor | None, ...]
_Key = tuple[str, str, str | None, bool]


class Embeddings:
    """The embeddings of the last prompts.

    Prompts that are not known are encoded together, padded to a multiple of ``multiple`` like any
    batch. An embedding is then the one that the pipeline computes itself, bit for bit.

    Args:
        capacity: Prompts that are kept, of base and refiner together.
        multiple: Places of a batch of prompts.
        reserved: How many of them, the last ones, compute otherwise and stay with copies.
    """

    def __init__(self, capacity: int, multiple: int, reserved: int = 0) -> None:
        self._capacity = capacity
        self._multiple = multiple
        self._at_once = multiple - reserved
        self._known: OrderedDict[_Key, _Rows] = OrderedDict()

    def of(
        self, role: str, pipeline: Any, prompts: Sequence[str], negative: str | None, guided: bool
    ) -> dict[str, torch.Tensor | None]:
        """Arguments of a pipeline's call that stand for its prompts.

        Args:
            role: The pipeline's role.
            pipeline: One of SDXL's pipelines.
            prompts: The prompts of a batch.
            negative: The negative prompt; None: the model's own unconditional embedding.
            guided: Whether the negative embeddings are needed.
        """
        keys: list[_Key] = [(role, prompt, negative, guided) for prompt in prompts]
        found = {key: self._known[key] for key in keys if key in self._known}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        for first in range(0, len(missing), self._at_once):
            some = missing[first : first + self._at_once]
            found |= zip(some, self._encode(pipeline, some), strict=True)
        for key in dict.fromkeys(keys):
            self._known[key] = found[key]
            self._known.move_to_end(key)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        columns = zip(*(found[key] for key in keys), strict=True)
        return {
            name: None if rows[0] is None else torch.cat(rows)
            for name, rows in zip(_NAMES, columns, strict=True)
        }

    def _encode(self, pipeline: Any, keys: Sequence[_Key]) -> list[_Rows]:
        """The rows of each key."""
        padded = [*keys, *[keys[0]] * (self._multiple - len(keys))]
        _, _, negative, guided = keys[0]
        with torch.no_grad():
            encoded = pipeline.encode_prompt(
                prompt=[prompt for _, prompt, _, _ in padded],
                negative_prompt=None if negative is None else [negative] * len(padded),
                device=pipeline.device,
                do_classifier_free_guidance=guided,
            )
        return [
            tuple(None if rows is None else rows[place : place + 1] for rows in encoded)
            for place in range(len(keys))
        ]
