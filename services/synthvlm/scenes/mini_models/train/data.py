"""Scenes as tensors: the images, and several captions of each."""

import random
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from transformers import CLIPTokenizer

from synthvlm.scenes.captions import describe
from synthvlm.scenes.mini_models.clip_tokenizer import CONTEXT
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, sample_scene

CAPTIONS_EACH: Final = 2


@dataclass(frozen=True)
class Scenes:
    """``images``: uint8 (n, 64, 64, 3); ``tokens``: int16 (n, 2, 77), padded with the end token."""

    scenes: list[Scene]
    images: torch.Tensor
    tokens: torch.Tensor


def make_scenes(seed: int, count: int, tokenizer: CLIPTokenizer | None = None) -> Scenes:
    """Draws ``count`` scenes; without a tokenizer ``tokens`` is empty, of shape (0,)."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng) for _ in range(count)]
    images = torch.from_numpy(np.stack([render(s) for s in scenes]))
    if tokenizer is None:
        return Scenes(scenes, images, torch.empty(0, dtype=torch.int16))
    captions = [describe(s, rng) for s in scenes for _ in range(CAPTIONS_EACH)]
    ids = tokenize(tokenizer, captions).to(torch.int16)
    return Scenes(scenes, images, ids.reshape(count, CAPTIONS_EACH, CONTEXT))


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token ids, int64 (n, 77)."""
    ids: torch.Tensor = tokenizer(
        captions, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


def to_pixels(images: torch.Tensor) -> torch.Tensor:
    """uint8 (n, h, w, 3) to float (n, 3, h, w) in [-1, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
