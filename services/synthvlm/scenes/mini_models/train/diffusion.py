"""Trains mini-sdxl's UNet, with the autoencoder and the text encoders frozen."""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from synthvlm.scenes.mini_models.architectures import SCHEDULE, make_unet, save_base
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.mini_models.measure.sdxl import measure
from synthvlm.scenes.mini_models.train.conditioning import encode_captions
from synthvlm.scenes.mini_models.train.data import Scenes, make_scenes, to_pixels, tokenize
from synthvlm.scenes.mini_models.train.export import publish
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision
from synthvlm.scenes.world import BACKGROUNDS

UNCONDITIONAL = 0.1
THING_WEIGHT = 4.0
FOREGROUND = 30.0  # of 255: further from the background than its gradient
# Above this time only the places of things are decided, and weights would bias them.
LAST_WEIGHTED_TIME = 750
TIME_IDS = (64.0, 64.0, 0.0, 0.0, 64.0, 64.0)


def encode_scenes(vae: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Scaled latents, float16 (n, 4, 16, 16)."""
    latents = []
    with torch.no_grad(), mixed_precision():
        for k in range(0, len(images), 128):
            x = to_pixels(images[k : k + 128])
            latents.append(vae.encode(x).latent_dist.mean.float() * vae.config.scaling_factor)
    return torch.cat(latents).half()


def weigh_things(scenes: Scenes) -> torch.Tensor:
    """Weights of the loss, float16 (n, 1, 16, 16): things count more than the plain background.

    Things cover a tenth of an image and their outlines less, so an unweighted loss learns shapes
    last. The rim around a thing is weighted like the thing itself: where it ends is what matters.
    """
    grounds = torch.tensor([BACKGROUNDS[s.background] for s in scenes.scenes], dtype=torch.float32)
    weights = []
    for k in range(0, len(grounds), 1024):
        gap = scenes.images[k : k + 1024].float() - grounds[k : k + 1024, None, None]
        thing = (gap.abs().amax(-1) > FOREGROUND).float()[:, None]
        near = functional.max_pool2d(functional.max_pool2d(thing, 4), 3, 1, 1)
        weights.append((1 + (THING_WEIGHT - 1) * near).half())
    return torch.cat(weights)


def sample_times(count: int) -> torch.Tensor:
    """Time steps in [0, 1000): half of them where the number and places of things are decided.

    A caption often leaves the place open, and a denoiser that is unsure about it draws two things.
    """
    placing = torch.sigmoid(1.1 + 0.7 * torch.randn(count))
    even = torch.rand(count)
    return (torch.where(torch.rand(count) < 0.5, placing, even) * 1000).long().clamp(0, 999)


def export(
    training: Training, vae: nn.Module, encoders: tuple[nn.Module, nn.Module], target: Path
) -> None:
    """Publishes the averaged weights as a pipeline folder."""
    unet = make_unet()
    unet.load_state_dict(training.averaged()["unet"])
    publish(lambda folder: save_base(folder, vae, encoders, unet), target)


def main() -> None:  # noqa: PLR0915 - a training reads best from top to bottom
    """Trains; every ``--every`` steps a checkpoint, an export and a measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--every", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=16, help="of each worker")
    parser.add_argument("--scenes", type=int, default=15000, help="of each worker")
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measured", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer()
    vae = AutoencoderKL.from_pretrained(args.vae).eval()
    encoders = (
        CLIPTextModel.from_pretrained(args.text / "text_encoder").eval(),
        CLIPTextModelWithProjection.from_pretrained(args.text / "text_encoder_2").eval(),
    )
    unet = make_unet().to(memory_format=torch.channels_last)
    training = Training({"unet": unet}, args.out, args.steps, args.lr, 0.998)
    # Every worker draws and describes its own scenes.
    scenes = make_scenes(args.seed + 10_000 * training.rank, args.scenes, tokenizer)
    latents = encode_scenes(vae, scenes.images)
    weights = weigh_things(scenes)
    eos = tokenizer.eos_token_id
    captions = encode_captions(*encoders, scenes.tokens.flatten(0, 1), eos)
    each = scenes.tokens.shape[1]
    nothing = encode_captions(*encoders, tokenize(tokenizer, [""]), eos)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    noiser = DDPMScheduler(
        **{k: v for k, v in SCHEDULE.items() if k != "timestep_spacing"},
    )
    ids = torch.tensor([TIME_IDS]).repeat(args.batch, 1)
    while training.step < args.steps:
        pick = torch.randint(0, len(latents), (args.batch,))
        said = pick * each + torch.randint(0, each, (args.batch,))
        context, pooled = captions.context[said].float(), captions.pooled[said].float()
        silent = torch.rand(args.batch) < UNCONDITIONAL
        context[silent], pooled[silent] = nothing.context.float(), nothing.pooled.float()
        x = latents[pick].float()
        noise, times = torch.randn_like(x), sample_times(args.batch)
        noisy = noiser.add_noise(x, noise, times).contiguous(memory_format=torch.channels_last)
        target = noiser.get_velocity(x, noise, times)
        with mixed_precision():
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
            export(training, vae, encoders, args.export / "mini-sdxl")
            report = {"step": training.step}
            report |= measure(args.export / "mini-sdxl", None, args.measured)
            print(json.dumps(report), flush=True)
            with (args.out / "truth.jsonl").open("a") as file:
                file.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
