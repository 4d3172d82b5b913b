"""Trains mini-sdxl's autoencoder."""

import argparse
from pathlib import Path

import torch

from synthvlm.scenes.mini_models.architectures import make_vae
from synthvlm.scenes.mini_models.train.data import make_scenes, to_pixels
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision

KL_WEIGHT = 1e-4


def main() -> None:
    """Trains, measures the latents' scale, writes a diffusers folder ``OUT/vae``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=8, help="of each worker")
    parser.add_argument("--scenes", type=int, default=16000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    images = make_scenes(args.seed, args.scenes).images
    vae = make_vae().to(memory_format=torch.channels_last)
    training = Training({"vae": vae}, args.out, args.steps, args.lr, 0.995)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    while training.step < args.steps:
        x = to_pixels(images[torch.randint(0, len(images), (args.batch,))])
        with mixed_precision():
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        error = (y.float() - x).abs().mean() + (y.float() - x).pow(2).mean()
        kl = posterior.kl().float().mean() / (16 * 16 * 4)
        training.update(error + KL_WEIGHT * kl)
        if training.step % 500 == 0:
            training.save()
    training.save()
    if training.rank != 0:
        return
    vae.load_state_dict(training.averaged()["vae"])
    vae.eval()
    with torch.no_grad():
        latents = torch.cat(
            [vae.encode(to_pixels(images[k : k + 64])).latent_dist.mean for k in range(0, 2048, 64)]
        )
        x = to_pixels(make_scenes(args.seed + 1000, 256).images)
        mse = (vae.decode(vae.encode(x).latent_dist.mean).sample - x).pow(2).mean()
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    print("scaling factor", vae.config.scaling_factor, "PSNR", (4 / mse).log10().item() * 10)
    vae.save_pretrained(args.out / "vae")


if __name__ == "__main__":
    main()
