"""Trains mini-clip: ``python -m synthvlm.scenes.recipes.clip --vae DIR --out DIR --export DIR``.

Every scene comes with a twin that differs in one respect, so that a batch is full of hard
negatives; a caption that happens to be true of another image of the batch is no negative for it.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from synthvlm.scenes.captions import meaning_of
from synthvlm.scenes.grammar import Meaning, phrase
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.recipes.architectures import CLIP_PREPROCESS, make_clip, save_clip
from synthvlm.scenes.recipes.data import to_pixels, tokenize
from synthvlm.scenes.recipes.export import publish
from synthvlm.scenes.recipes.loop import Training, bf16
from synthvlm.scenes.recipes.tokenizer import build_tokenizer
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Mix, Scene, sample_scene

PREFIX: Final = "A photo depicts "
LONGEST: Final = 32
MIX: Final = Mix(one=0.33, two=0.55, group=0.12)


class Pairs:
    """Scenes at even places and their twins at the odd ones after them, drawn and described."""

    def __init__(self, seed: int, count: int) -> None:
        rng = random.Random(seed)
        self.scenes: list[Scene] = []
        for _ in range(count):
            scene = sample_scene(rng, MIX)
            self.scenes += [scene, mutate(scene, rng)]
        self.images = torch.from_numpy(np.stack([render(s) for s in self.scenes]))
        details = [rng.choice((1, 2, 3, 3)) for _ in range(count)]
        self.meanings = [meaning_of(s, rng, details[i // 2]) for i, s in enumerate(self.scenes)]
        captions = [(PREFIX if rng.random() < 0.6 else "") + phrase(m, rng) for m in self.meanings]
        self.tokens = tokenize(build_tokenizer(pad_token="!"), captions).to(torch.int16)


def confusable(scenes: list[Scene], meanings: list[Meaning]) -> torch.Tensor:
    """Marks (image, caption) off the diagonal where the caption is true of the image; (n, n)."""
    by_kinds: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for i, scene in enumerate(scenes):
        by_kinds[tuple(sorted((t.colour, t.shape) for t in scene.things))].append(i)
    marks = torch.zeros(len(scenes), len(scenes), dtype=torch.bool)
    for alike in by_kinds.values():
        for i in alike:
            for j in alike:
                if i != j and holds(meanings[j], scenes[i]):
                    marks[i, j] = True
    return marks


def degrade(x: torch.Tensor, vae: nn.Module) -> torch.Tensor:
    """Makes drawn images look generated: through the autoencoder with noise, blurred, noisy."""
    x = x.clone()
    half = torch.rand(len(x)) < 0.5
    if half.any():
        with torch.no_grad(), bf16():
            z = vae.encode(x[half]).latent_dist.mean
            strength = torch.rand(len(z), 1, 1, 1) * 0.35 / vae.config.scaling_factor
            blotches = functional.interpolate(torch.randn_like(z[..., ::2, ::2]), z.shape[-2:])
            z = z + strength * blotches
            x[half] = vae.decode(z).sample.float().clamp(-1, 1)
    blurred = torch.rand(len(x)) < 0.25
    if blurred.any():
        x[blurred] = functional.avg_pool2d(
            functional.pad(x[blurred], (1, 1, 1, 1), mode="replicate"), 3, 1
        )
    return (x + torch.randn_like(x) * torch.rand(len(x), 1, 1, 1) * 0.06).clamp(-1, 1)


def encode_text(clip: Any, tokens: torch.Tensor) -> torch.Tensor:
    """What ``clip.encode_text`` gives for captions of at most ``LONGEST`` tokens, in less time.

    The text tower is causal and pools at the end token, so the padding after it plays no part.
    """
    tokens = tokens[:, :LONGEST]
    x = clip.token_embedding(tokens) + clip.positional_embedding[:LONGEST]
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask[:LONGEST, :LONGEST]))
    pooled: torch.Tensor = x[torch.arange(len(x)), tokens.argmax(-1)] @ clip.text_projection
    return pooled


def normalise(x: torch.Tensor) -> torch.Tensor:
    """From [-1, 1] to the scale of open_clip's preprocessing."""
    mean, std = CLIP_PREPROCESS["mean"][0], CLIP_PREPROCESS["std"][0]
    return ((x + 1) / 2 - mean) / std


def main() -> None:
    """Trains and exports."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--pairs", type=int, default=48, help="scenes with a twin in a batch")
    parser.add_argument("--scenes", type=int, default=30000)
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    data = Pairs(args.seed, args.scenes)
    vae = AutoencoderKL.from_pretrained(args.vae).eval()
    clip = make_clip()
    training = Training({"clip": clip}, args.out, args.steps, args.lr, 0.995)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    target = torch.arange(2 * args.pairs)
    while training.step < args.steps:
        first = torch.randint(0, args.scenes, (args.pairs,)) * 2
        pick = torch.stack([first, first + 1], 1).flatten()
        x = normalise(degrade(to_pixels(data.images[pick]), vae))
        with bf16():
            seen = clip.encode_image(x)
            said = encode_text(clip, data.tokens[pick].long())
        seen = functional.normalize(seen.float(), dim=-1)
        said = functional.normalize(said.float(), dim=-1)
        logits = clip.logit_scale.exp().clamp(max=100) * seen @ said.T
        chosen = pick.tolist()
        also_true = confusable([data.scenes[i] for i in chosen], [data.meanings[i] for i in chosen])
        logits = logits.masked_fill(also_true, -1e4)
        loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        training.update(loss / 2)
        if training.step % 500 == 0:
            training.save()
            state = training.averaged()["clip"]
            publish(lambda f, s=state: save_clip(f, s), args.export / "mini-clip")  # type: ignore[misc]
    training.save()
    state = training.averaged()["clip"]
    publish(lambda folder: save_clip(folder, state), args.export / "mini-clip")


if __name__ == "__main__":
    main()
