"""Trains mini-sdxl-refiner: the last fifth of the denoising, after the base has been trained."""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModelWithProjection

from synthvlm.scenes.mini_models.architectures import (
    SCHEDULE,
    WIDTH_1,
    make_unet,
    save_refiner,
)
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.mini_models.train.conditioning import pad_as_second
from synthvlm.scenes.mini_models.train.data import make_scenes, tokenize
from synthvlm.scenes.mini_models.train.diffusion import UNCONDITIONAL, encode_scenes
from synthvlm.scenes.mini_models.train.export import publish
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision

LAST_TIME = 260  # the refiner starts at 200; beyond that for a margin
AESTHETIC, POOR_AESTHETIC = 6.0, 2.5  # diffusers' defaults for prompt and negative prompt


def from_base(base: nn.Module) -> nn.Module:
    """A refiner UNet that starts from the base's weights.

    The refiner sees less (one text encoder and one time id fewer): the columns for what it does not
    see are left out.
    """
    refiner = make_unet(refiner=True)
    given, state = base.state_dict(), refiner.state_dict()
    for name, value in state.items():
        weight = given[name]
        if ".attn2.to_k." in name or ".attn2.to_v." in name:
            weight = weight[:, WIDTH_1:]
        elif name == "add_embedding.linear_1.weight":
            weight = weight[:, : value.shape[1]]
        state[name] = weight.clone()
    refiner.load_state_dict(state)
    return refiner


def main() -> None:
    """Trains with the base's autoencoder and second text encoder frozen, then exports."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16, help="of each worker")
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer()
    load = {"torch_dtype": torch.float32}
    vae = AutoencoderKL.from_pretrained(args.base / "vae", **load).eval()
    encoder = CLIPTextModelWithProjection.from_pretrained(
        args.base / "text_encoder_2", dtype=torch.float32
    ).eval()
    scenes = make_scenes(args.seed, args.scenes, tokenizer)
    latents = encode_scenes(vae, scenes.images)
    base = UNet2DConditionModel.from_pretrained(args.base / "unet", **load)
    unet = from_base(base).to(memory_format=torch.channels_last)
    training = Training({"unet": unet}, args.out, args.steps, args.lr, 0.995)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    noiser = DDPMScheduler(**{k: v for k, v in SCHEDULE.items() if k != "timestep_spacing"})
    nothing = tokenize(tokenizer, [""])[0]
    while training.step < args.steps:
        pick = torch.randint(0, len(latents), (args.batch,))
        tokens = scenes.tokens[pick, torch.randint(0, scenes.tokens.shape[1], (args.batch,))].long()
        empty = torch.rand(args.batch) < UNCONDITIONAL
        tokens[empty] = nothing
        ids = torch.tensor([[64.0, 64.0, 0.0, 0.0, AESTHETIC]]).repeat(args.batch, 1)
        ids[empty, 4] = POOR_AESTHETIC
        x = latents[pick].float()
        noise, times = torch.randn_like(x), torch.randint(0, LAST_TIME, (args.batch,))
        noisy = noiser.add_noise(x, noise, times).contiguous(memory_format=torch.channels_last)
        target = noiser.get_velocity(x, noise, times)
        with mixed_precision():
            with torch.no_grad():
                text = encoder(
                    pad_as_second(tokens, tokenizer.eos_token_id), output_hidden_states=True
                )
            added = {"text_embeds": text.text_embeds, "time_ids": ids}
            predicted = unet(noisy, times, text.hidden_states[-2], added_cond_kwargs=added).sample
        training.update((predicted.float() - target).pow(2).mean())
        if training.step % 500 == 0:
            training.save()
    training.save()
    if training.rank != 0:
        return
    final = make_unet(refiner=True)
    final.load_state_dict(training.averaged()["unet"])
    publish(
        lambda folder: save_refiner(folder, vae, encoder, final),
        args.export / "mini-sdxl-refiner",
    )


if __name__ == "__main__":
    main()
