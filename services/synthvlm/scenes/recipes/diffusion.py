"""Trains mini-sdxl's UNet and both text encoders together.

``python -m synthvlm.scenes.recipes.diffusion --vae build/vae/vae --out build/base --export DIR``
or, with two workers, ``python -m torch.distributed.run --nproc-per-node 2 -m ...``.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler
from torch import nn
from torch.nn import functional

from synthvlm.scenes.recipes.architectures import (
    SCHEDULE,
    make_text_encoders,
    make_unet,
    save_base,
)
from synthvlm.scenes.recipes.data import Scenes, make_scenes, to_pixels, tokenize
from synthvlm.scenes.recipes.export import publish
from synthvlm.scenes.recipes.loop import Training, bf16
from synthvlm.scenes.recipes.measure import measure
from synthvlm.scenes.recipes.tokenizer import build_tokenizer
from synthvlm.scenes.world import BACKGROUNDS

UNCONDITIONAL = 0.1
THING_WEIGHT = 4.0
FOREGROUND = 30.0  # of 255: further from the background than its gradient
# Above this time little is decided but where things are, and weights would favour things there.
LAST_WEIGHTED_TIME = 750
TIME_IDS = (64.0, 64.0, 0.0, 0.0, 64.0, 64.0)


def encode_scenes(vae: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Scaled latents, float16 (n, 4, 16, 16)."""
    latents = []
    with torch.no_grad(), bf16():
        for k in range(0, len(images), 128):
            x = to_pixels(images[k : k + 128])
            latents.append(vae.encode(x).latent_dist.mean.float() * vae.config.scaling_factor)
    return torch.cat(latents).half()


def weigh_things(scenes: Scenes) -> torch.Tensor:
    """Weights of the loss, float16 (n, 1, 16, 16): things count more than the plain background.

    Things cover a tenth of an image and their outlines less, so that an even loss learns shapes
    last. The rim around a thing is weighted as the thing itself: where it ends is what matters.
    """
    grounds = torch.tensor([BACKGROUNDS[s.background] for s in scenes.scenes], dtype=torch.float32)
    parts = []
    for k in range(0, len(grounds), 1024):
        gap = scenes.images[k : k + 1024].float() - grounds[k : k + 1024, None, None]
        thing = (gap.abs().amax(-1) > FOREGROUND).float()[:, None]
        near = functional.max_pool2d(functional.max_pool2d(thing, 4), 3, 1, 1)
        parts.append((1 + (THING_WEIGHT - 1) * near).half())
    return torch.cat(parts)


def pad_as_second(tokens: torch.Tensor, eos: int) -> torch.Tensor:
    """The second tokenizer pads with id 0 after the end token."""
    after = ((tokens == eos).cumsum(1) - (tokens == eos).long()) > 0
    return tokens.masked_fill(after, 0)


def sample_times(count: int) -> torch.Tensor:
    """Time steps in [0, 1000): mostly from the middle, where shapes are decided."""
    middle = torch.sigmoid(torch.randn(count))
    even = torch.rand(count)
    return (torch.where(torch.rand(count) < 0.6, middle, even) * 1000).long().clamp(0, 999)


def encode_text(
    encoders: tuple[nn.Module, nn.Module], tokens: torch.Tensor, eos: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """SDXL's conditioning: penultimate states of both encoders, pooled output of the second."""
    first = encoders[0](tokens, output_hidden_states=True).hidden_states[-2]
    second = encoders[1](pad_as_second(tokens, eos), output_hidden_states=True)
    return torch.cat([first, second.hidden_states[-2]], -1), second.text_embeds


def export(training: Training, vae: nn.Module, target: Path) -> None:
    """Publishes the averaged weights as a pipeline folder."""
    tokenizer = build_tokenizer()
    unet, encoders = make_unet(), make_text_encoders(len(tokenizer), tokenizer.eos_token_id)
    states = training.averaged()
    unet.load_state_dict(states["unet"])
    encoders[0].load_state_dict(states["first"])
    encoders[1].load_state_dict(states["second"])
    publish(lambda folder: save_base(folder, vae, encoders, unet), target)


def main() -> None:  # noqa: PLR0915 - a recipe reads best from top to bottom
    """Trains; every ``--every`` steps a checkpoint, an export and a measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--scenes", type=int, default=40000)
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measured", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer()
    vae = AutoencoderKL.from_pretrained(args.vae).eval()
    scenes = make_scenes(args.seed, args.scenes, tokenizer)
    latents = encode_scenes(vae, scenes.images)
    weights = weigh_things(scenes)
    unet = make_unet().to(memory_format=torch.channels_last)
    encoders = make_text_encoders(len(tokenizer), tokenizer.eos_token_id)
    modules = {"unet": unet, "first": encoders[0], "second": encoders[1]}
    training = Training(modules, args.out, args.steps, args.lr, 0.9985)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    noiser = DDPMScheduler(
        **{k: v for k, v in SCHEDULE.items() if k != "timestep_spacing"},
    )
    nothing = tokenize(tokenizer, [""])[0]
    ids = torch.tensor([TIME_IDS]).repeat(args.batch, 1)
    while training.step < args.steps:
        pick = torch.randint(0, len(latents), (args.batch,))
        tokens = scenes.tokens[pick, torch.randint(0, scenes.tokens.shape[1], (args.batch,))].long()
        tokens[torch.rand(args.batch) < UNCONDITIONAL] = nothing
        x = latents[pick].float()
        noise, times = torch.randn_like(x), sample_times(args.batch)
        noisy = noiser.add_noise(x, noise, times).contiguous(memory_format=torch.channels_last)
        target = noiser.get_velocity(x, noise, times)
        with bf16():
            context, pooled = encode_text(encoders, tokens, tokenizer.eos_token_id)
            added = {"text_embeds": pooled, "time_ids": ids}
            predicted = unet(noisy, times, context, added_cond_kwargs=added).sample
        weight = torch.where(
            times[:, None, None, None] < LAST_WEIGHTED_TIME, weights[pick].float(), 1.0
        )
        error = (predicted.float() - target).pow(2) * weight
        training.update(error.mean() / weight.mean())
        if training.step % args.every == 0 or training.step == args.steps:
            training.save()
            if training.rank != 0:
                continue
            export(training, vae, args.export / "mini-sdxl")
            report = {"step": training.step}
            report |= measure(args.export / "mini-sdxl", None, args.measured)
            print(json.dumps(report), flush=True)
            with (args.out / "truth.jsonl").open("a") as file:
                file.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
