"""Trains mini-clip on drawn scenes.

The text tower starts from mini-sdxl's second text encoder, which knows the language. The image
tower learns to match captions and, to learn faster, to say what a full caption of the scene would
claim, through the linear head that read the encoder's output.

Every scene comes with a twin that differs in one respect, so that a batch is full of hard
negatives; a caption that happens to be true of another image in the batch is not a negative for it.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModelWithProjection

from synthvlm.alignment.clip_score import PROMPT_PREFIX
from synthvlm.scenes.captions import meaning_of
from synthvlm.scenes.grammar import Meaning, phrase
from synthvlm.scenes.mini_models.architectures import (
    CLIP_PREPROCESS,
    TEXT_LAYERS,
    WIDTH_2,
    make_clip,
    save_clip,
)
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.mini_models.train.claims import ClaimHead, claim_loss, claims_of_scene
from synthvlm.scenes.mini_models.train.data import to_pixels, tokenize
from synthvlm.scenes.mini_models.train.export import publish
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Mix, Scene, sample_scene

LONGEST: Final = 36
CLAIM_WEIGHT: Final = 1.0
MIX: Final = Mix(one=0.33, two=0.55, group=0.12)


class Pairs:
    """Scenes at even places and their twins at the odd ones after them, drawn and described."""

    def __init__(self, seed: int, count: int) -> None:
        rng = random.Random(seed)
        self.scenes: list[Scene] = []
        for _ in range(count):
            scene = sample_scene(rng, MIX)
            self.scenes += [scene, mutate(scene, rng)]
        self.claims = torch.tensor([claims_of_scene(s) for s in self.scenes])
        self.images = torch.from_numpy(np.stack([render(s) for s in self.scenes]))
        details = [rng.choice((1, 2, 3, 3)) for _ in range(count)]
        self.meanings = [meaning_of(s, rng, details[i // 2]) for i, s in enumerate(self.scenes)]
        captions = [
            (PROMPT_PREFIX if rng.random() < 0.6 else "") + phrase(m, rng) for m in self.meanings
        ]
        self.tokens = tokenize(build_tokenizer(pad_token="!"), captions).to(torch.int16)


def confusable(scenes: list[Scene], meanings: list[Meaning]) -> torch.Tensor:
    """Marks pairs (image, caption) off the diagonal whose caption is true of the image; (n, n)."""
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


def degrade(x: torch.Tensor) -> torch.Tensor:
    """Makes drawn images look generated: blotches of wrong colour, blur, noise."""
    strength = torch.rand(len(x), 1, 1, 1).pow(2) * 0.5
    coarse = torch.randn(len(x), 3, x.shape[2] // 8, x.shape[3] // 8)
    x = x + strength * functional.interpolate(coarse, x.shape[-2:], mode="bilinear")
    blurred = torch.rand(len(x)) < 0.3
    if blurred.any():
        x[blurred] = functional.avg_pool2d(
            functional.pad(x[blurred], (1, 1, 1, 1), mode="replicate"), 3, 1
        )
    return (x + torch.randn_like(x) * torch.rand(len(x), 1, 1, 1) * 0.06).clamp(-1, 1)


def load_text_tower(clip: nn.Module, encoder: nn.Module) -> None:
    """Starts the text tower from mini-sdxl's second encoder, which has the same shape.

    SDXL's own second encoder is the text tower of an open_clip model.
    """
    given = {k.removeprefix("text_model."): v for k, v in encoder.state_dict().items()}
    state = {
        "token_embedding.weight": given["embeddings.token_embedding.weight"],
        "positional_embedding": given["embeddings.position_embedding.weight"],
        "ln_final.weight": given["final_layer_norm.weight"],
        "ln_final.bias": given["final_layer_norm.bias"],
        "text_projection": given["text_projection.weight"].T,
    }
    names = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for i in range(TEXT_LAYERS):
        old, new = f"encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for kind in ("weight", "bias"):
            for ours, theirs in names.items():
                state[f"{new}{ours}.{kind}"] = given[f"{old}{theirs}.{kind}"]
            in_proj = [given[f"{old}self_attn.{name}_proj.{kind}"] for name in "qkv"]
            state[f"{new}attn.in_proj_{kind}"] = torch.cat(in_proj)
    missing, unexpected = clip.load_state_dict(state, strict=False)
    left = [name for name in missing if not name.startswith("visual.") and name != "logit_scale"]
    if left or unexpected:
        raise ValueError(f"the text tower does not fit: {left} {unexpected}")


def encode_text(clip: Any, tokens: torch.Tensor) -> torch.Tensor:
    """What ``clip.encode_text`` gives for captions of at most ``LONGEST`` tokens, in less time.

    The text tower is causal and pools at the end token, so padding after it makes no difference.
    """
    tokens = tokens[:, :LONGEST]
    x = clip.token_embedding(tokens) + clip.positional_embedding[:LONGEST]
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask[:LONGEST, :LONGEST]))
    pooled: torch.Tensor = x[torch.arange(len(x)), tokens.argmax(-1)] @ clip.text_projection
    return pooled


def match(clip: Any, data: Pairs, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Matches the images of ``count`` scenes and their twins with their captions.

    Returns:
        The contrastive loss, the embeddings of the images, and their positions in ``data``.
    """
    first = torch.randint(0, len(data.scenes) // 2, (count,)) * 2
    pick = torch.stack([first, first + 1], 1).flatten()
    x = normalise(degrade(to_pixels(data.images[pick])))
    with mixed_precision():
        embeddings = clip.encode_image(x)
        said = encode_text(clip, data.tokens[pick].long())
    seen = functional.normalize(embeddings.float(), dim=-1)
    said = functional.normalize(said.float(), dim=-1)
    logits = clip.logit_scale.exp().clamp(max=100) * seen @ said.T
    chosen = pick.tolist()
    also_true = confusable([data.scenes[i] for i in chosen], [data.meanings[i] for i in chosen])
    logits = logits.masked_fill(also_true, -1e4)
    target = torch.arange(2 * count)
    loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    return loss / 2, embeddings, pick


def normalise(x: torch.Tensor) -> torch.Tensor:
    """From [-1, 1] to the scale of open_clip's preprocessing."""
    mean, std = CLIP_PREPROCESS["mean"][0], CLIP_PREPROCESS["std"][0]
    return ((x + 1) / 2 - mean) / std


def main() -> None:
    """Trains and exports."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument(
        "--pairs", type=int, default=48, help="scenes with a twin in a batch of each worker"
    )
    parser.add_argument("--scenes", type=int, default=8000, help="of each worker")
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    clip, head = make_clip(), ClaimHead(WIDTH_2)
    load_text_tower(clip, CLIPTextModelWithProjection.from_pretrained(args.text / "text_encoder_2"))
    head.load_state_dict(load_file(args.text / "claims.safetensors"))
    training = Training({"clip": clip, "head": head}, args.out, args.steps, args.lr, 0.995)
    # Every worker draws its own scenes.
    data = Pairs(args.seed + 10_000 * training.rank, args.scenes)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    while training.step < args.steps:
        matching, embeddings, pick = match(clip, data, args.pairs)
        with mixed_precision():
            answers = head(embeddings)
        training.update(matching + CLAIM_WEIGHT * claim_loss(answers, data.claims[pick]))
        if training.step % 500 == 0:
            training.save()
    training.save()
    if training.rank != 0:
        return
    state = training.averaged()["clip"]
    publish(lambda folder: save_clip(folder, state), args.export / "mini-clip")


if __name__ == "__main__":
    main()
