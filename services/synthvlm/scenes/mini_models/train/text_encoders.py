"""Trains mini-sdxl's two text encoders.

They are trained on captions only and, as in SDXL, frozen while the UNet learns to draw. What the
UNet is given (the second-to-last states of both, the pooled output of the second) must say what
the caption claims: linear heads on exactly these vectors learn to read it, and are thrown away.
"""

import argparse
import random
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from synthvlm.alignment.clip_score import PROMPT_PREFIX
from synthvlm.scenes.captions import DETAILS, meaning_of
from synthvlm.scenes.grammar import phrase
from synthvlm.scenes.mini_models.architectures import WIDTH_1, WIDTH_2, make_text_encoders
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.mini_models.train.claims import (
    ClaimHead,
    claim_accuracy,
    claim_loss,
    claims_of,
)
from synthvlm.scenes.mini_models.train.conditioning import pad_as_second
from synthvlm.scenes.mini_models.train.data import tokenize
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision
from synthvlm.scenes.world import Mix, sample_scene

MIX = Mix(one=0.25, two=0.55, group=0.2)
PREFIXED = 0.3
HELD_OUT = 1000


def make_captions(seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (count, longest), padded with the end token, and claims (count, claims)."""
    rng = random.Random(seed)
    meanings = [meaning_of(sample_scene(rng, MIX), rng, rng.choice(DETAILS)) for _ in range(count)]
    tokenizer = build_tokenizer()
    captions = [
        (PROMPT_PREFIX if rng.random() < PREFIXED else "") + phrase(m, rng) for m in meanings
    ]
    tokens = tokenize(tokenizer, captions)
    longest = int((tokens != tokenizer.eos_token_id).sum(1).max()) + 1
    return tokens[:, :longest], torch.tensor([claims_of(m) for m in meanings])


def main() -> None:
    """Trains, then writes both encoders and the head that reads the pooled output."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32, help="of each worker")
    parser.add_argument("--captions", type=int, default=40000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokens, claims = make_captions(args.seed, args.captions)
    eos = build_tokenizer().eos_token_id
    encoders = make_text_encoders(len(build_tokenizer()), eos)
    heads = nn.ModuleDict(
        {"first": ClaimHead(WIDTH_1), "second": ClaimHead(WIDTH_2), "pooled": ClaimHead(WIDTH_2)}
    )
    modules = {"first": encoders[0], "second": encoders[1], "heads": heads}
    training = Training(modules, args.out, args.steps, args.lr, 0.995)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)

    def read(ids: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        end = (ids == eos).int().argmax(1)
        rows = torch.arange(len(ids))
        first = encoders[0](ids, output_hidden_states=True).hidden_states[-2]
        second = encoders[1](pad_as_second(ids, eos), output_hidden_states=True)
        return [
            heads["first"](first[rows, end]),
            heads["second"](second.hidden_states[-2][rows, end]),
            heads["pooled"](second.text_embeds),
        ]

    while training.step < args.steps:
        pick = torch.randint(HELD_OUT, len(tokens), (args.batch,))
        with mixed_precision():
            logits = read(tokens[pick])
        training.update(sum((claim_loss(x, claims[pick]) for x in logits), torch.zeros(())))
        if training.step % 500 == 0:
            training.save()
    training.save()
    if training.rank != 0:
        return
    for name, state in training.averaged().items():
        modules[name].load_state_dict(state)
    with torch.no_grad():
        right = [claim_accuracy(x, claims[:HELD_OUT]) for x in read(tokens[:HELD_OUT])]
    print("captions read right (first, second, pooled)", right)
    encoders[0].save_pretrained(args.out / "text_encoder")
    encoders[1].save_pretrained(args.out / "text_encoder_2")
    save_file(heads["pooled"].state_dict(), args.out / "claims.safetensors")


if __name__ == "__main__":
    main()
