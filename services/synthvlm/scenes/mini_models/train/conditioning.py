"""What SDXL's UNets are told about a caption, computed as in the pipelines."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Conditioning:
    """``context``: (n, 77, width); ``pooled``: (n, width of the second encoder)."""

    context: torch.Tensor
    pooled: torch.Tensor


def pad_as_second(tokens: torch.Tensor, eos: int) -> torch.Tensor:
    """The second tokenizer pads with id 0 after the end token."""
    after = ((tokens == eos).cumsum(1) - (tokens == eos).long()) > 0
    return tokens.masked_fill(after, 0)


def encode_captions(
    first: nn.Module | None, second: nn.Module, tokens: torch.Tensor, eos: int, batch: int = 256
) -> Conditioning:
    """Conditions on token ids (n, 77): penultimate states, and the pooled output of the second.

    Without a first encoder the context is that of the second, as for SDXL's refiner. The
    result is float16, to be kept for a whole training.
    """
    context, pooled = [], []
    with torch.no_grad():
        for ids in tokens.long().split(batch):
            out = second(pad_as_second(ids, eos), output_hidden_states=True)
            states = [out.hidden_states[-2]]
            if first is not None:
                states.insert(0, first(ids, output_hidden_states=True).hidden_states[-2])
            context.append(torch.cat(states, -1).half())
            pooled.append(out.text_embeds.half())
    return Conditioning(torch.cat(context), torch.cat(pooled))
