"""Trains the autoencoder's decoder further; the encoder, and so the latents, stay as they are.

An unweighted loss hardly notices what is hard to decode, such as light things on grey. So things
count more here than the background, as in the training of the UNet, and the worse the given decoder
draws a scene, the more often it comes up. UNets trained on the latents stay valid.
"""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from synthvlm.scenes.mini_models.train.data import make_scenes, to_pixels
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision

THING_WEIGHT = 4.0
HARDNESS = 2.0  # a scene comes up in proportion to this power of its error
FOREGROUND = 0.12  # of pixels from -1 to 1: further from the background than its gradient


def weigh_things(pixels: torch.Tensor) -> torch.Tensor:
    """Weights of the loss, (n, 1, height, width), of images (n, 3, height, width) from -1 to 1."""
    ground = pixels.flatten(2).median(-1).values[..., None, None]
    thing = ((pixels - ground).abs().amax(1, keepdim=True) > FOREGROUND).float()
    return 1 + (THING_WEIGHT - 1) * functional.max_pool2d(thing, 5, 1, 2)


def encode(vae: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Means of the latents, float16 (n, 4, 16, 16)."""
    with torch.no_grad(), mixed_precision():
        means = [vae.encode(to_pixels(some)).latent_dist.mean.half() for some in images.split(128)]
    return torch.cat(means)


def errors_of(decoded: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Weighted mean of absolute and squared errors of each image, (n,)."""
    error = (decoded.float() - x).abs() + (decoded.float() - x).pow(2)
    weight = weigh_things(x)
    return (error * weight).mean((1, 2, 3)) / weight.mean((1, 2, 3))


def difficulty(vae: nn.Module, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """How badly each image is decoded now, (n,)."""
    with torch.no_grad(), mixed_precision():
        batches = zip(images.split(128), latents.split(128), strict=True)
        return torch.cat(
            [errors_of(vae.decode(z.float()).sample, to_pixels(x)) for x, z in batches]
        )


def main() -> None:
    """Trains, and writes the autoencoder with the new decoder as a diffusers folder ``OUT/vae``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=8, help="of each worker")
    parser.add_argument("--scenes", type=int, default=12000)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    vae = AutoencoderKL.from_pretrained(args.vae).to(memory_format=torch.channels_last)
    decoder = nn.ModuleDict({"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv})
    training = Training({"decoder": decoder}, args.out, args.steps, args.lr, 0.99)
    images = make_scenes(args.seed, args.scenes).images
    latents = encode(vae, images)
    hard = difficulty(AutoencoderKL.from_pretrained(args.vae), images, latents).pow(HARDNESS)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    while training.step < args.steps:
        pick = torch.multinomial(hard, args.batch)
        x = to_pixels(images[pick])
        with mixed_precision():
            y = vae.decode(latents[pick].float()).sample
        training.update(errors_of(y, x).mean())
        if training.step % 250 == 0:
            training.save()
    training.save()
    if training.rank == 0:
        decoder.load_state_dict(training.averaged()["decoder"])
        vae.save_pretrained(args.out / "vae")


if __name__ == "__main__":
    main()
