"""Trains mini-sdxl's UNet further, on noise that has been paired with scenes.

``python -m synthvlm.scenes.recipes.reflow --base TEACHER/mini-sdxl --out build/reflow
--export DIR``

The base model draws from many noises in few steps, each drawing is put right (see ``pairing``),
and the UNet learns to go from that noise to that scene. Its path is then straight enough for few
steps, and sure enough to do with little guidance.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Final

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline

from synthvlm.scenes.captions import DETAILS, meaning_of
from synthvlm.scenes.grammar import phrase
from synthvlm.scenes.recipes.architectures import LATENT_SIZE, SCHEDULE, save_base
from synthvlm.scenes.recipes.conditioning import encode_captions
from synthvlm.scenes.recipes.data import Scenes, tokenize
from synthvlm.scenes.recipes.diffusion import (
    LAST_WEIGHTED_TIME,
    TIME_IDS,
    UNCONDITIONAL,
    encode_scenes,
    weigh_things,
)
from synthvlm.scenes.recipes.export import publish
from synthvlm.scenes.recipes.loop import Training, mixed_precision
from synthvlm.scenes.recipes.measure import measure
from synthvlm.scenes.recipes.pairing import Drawing, nearest_drawing
from synthvlm.scenes.recipes.parts import Tensors, collect_parts
from synthvlm.scenes.world import sample_scene

BATCH: Final = 32  # of the teacher
TEACHER_STEPS: Final = 4  # enough to see what lies where
TEACHER_GUIDANCE: Final = 2.5
# Below this time the layout is drawn already, and other noise teaches more.
FIRST_PAIRED_TIME: Final = 400


def draw_pairs(base: StableDiffusionXLPipeline, seed: int, count: int) -> Tensors:
    """Captions, a noise for each, and the scene that the noise shall become.

    Returns:
        ``noise`` and ``latents``: float16 (n, 4, 16, 16); ``weights`` of the loss: float16
        (n, 1, 16, 16); ``tokens``: int16 (n, 77).
    """
    rng = random.Random(seed)
    scenes = [sample_scene(rng) for _ in range(count)]
    meanings = [meaning_of(scene, rng, rng.choice(DETAILS)) for scene in scenes]
    captions = [phrase(meaning, rng) for meaning in meanings]
    shape = (count, 4, LATENT_SIZE, LATENT_SIZE)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).half()
    drawings: list[Drawing] = []
    for start in range(0, count, BATCH):
        some = slice(start, start + BATCH)
        images = base(
            captions[some],
            latents=noise[some].float(),
            num_inference_steps=TEACHER_STEPS,
            guidance_scale=TEACHER_GUIDANCE,
            output_type="np",
        ).images
        drawings += [
            nearest_drawing((image * 255).round().astype("uint8"), scene, meaning, rng)
            for image, scene, meaning in zip(images, scenes[some], meanings[some], strict=True)
        ]
    tokens = tokenize(base.tokenizer, captions).to(torch.int16)
    images = torch.stack([torch.from_numpy(d.pixels) for d in drawings])
    return {
        "noise": noise,
        "tokens": tokens,
        "latents": encode_scenes(base.vae, images),
        "weights": weigh_things(Scenes([d.scene for d in drawings], images, tokens)),
    }


def sample_times(count: int) -> torch.Tensor:
    """Time steps in [0, 1000): half of them late, where a noise becomes a layout."""
    late = torch.sigmoid(2.0 + 1.2 * torch.randn(count))
    even = torch.rand(count)
    return (torch.where(torch.rand(count) < 0.5, late, even) * 1000).long().clamp(0, 999)


def main() -> None:  # noqa: PLR0915 - a recipe reads best from top to bottom
    """Collects pairs, trains and exports; every ``--every`` steps a measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16, help="of each worker")
    parser.add_argument("--parts", type=int, default=16, help="files of pairs, of each worker")
    parser.add_argument("--part", type=int, default=256, help="pairs in a file")
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measured", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    base = StableDiffusionXLPipeline.from_pretrained(args.base, dtype=torch.float32)
    unet = base.unet.to(memory_format=torch.channels_last)
    encoders, eos = (base.text_encoder, base.text_encoder_2), base.tokenizer.eos_token_id
    training = Training({"unet": unet}, args.out, args.steps, args.lr, 0.995)
    # Every worker has noises and captions of its own; the teacher's weights, not a checkpoint's.
    teacher = StableDiffusionXLPipeline.from_pretrained(args.base, dtype=torch.float32)
    seed = (args.seed + training.rank) * 100_000
    teacher.set_progress_bar_config(disable=True)
    pairs = collect_parts(
        args.out / "pairs", seed, args.parts, lambda number: draw_pairs(teacher, number, args.part)
    )
    captions = encode_captions(*encoders, pairs["tokens"], eos)
    nothing = encode_captions(*encoders, tokenize(base.tokenizer, [""]), eos)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    noiser = DDPMScheduler(**{k: v for k, v in SCHEDULE.items() if k != "timestep_spacing"})
    ids = torch.tensor([TIME_IDS]).repeat(args.batch, 1)
    while training.step < args.steps:
        pick = torch.randint(0, len(pairs["noise"]), (args.batch,))
        context, pooled = captions.context[pick].float(), captions.pooled[pick].float()
        silent = torch.rand(args.batch) < UNCONDITIONAL
        context[silent], pooled[silent] = nothing.context.float(), nothing.pooled.float()
        x, times = pairs["latents"][pick].float(), sample_times(args.batch)
        paired = ((times >= FIRST_PAIRED_TIME) & ~silent)[:, None, None, None]
        noise = torch.where(paired, pairs["noise"][pick].float(), torch.randn_like(x))
        noisy = noiser.add_noise(x, noise, times).contiguous(memory_format=torch.channels_last)
        target = noiser.get_velocity(x, noise, times)
        with mixed_precision():
            added = {"text_embeds": pooled, "time_ids": ids}
            predicted = unet(noisy, times, context, added_cond_kwargs=added).sample
        weight = torch.where(
            paired | (times < LAST_WEIGHTED_TIME)[:, None, None, None],
            pairs["weights"][pick].float(),
            1.0,
        )
        training.update(((predicted.float() - target).pow(2) * weight).mean() / weight.mean())
        if training.step % args.every == 0 or training.step == args.steps:
            training.save()
            if training.rank != 0:
                continue
            teacher.unet.load_state_dict(training.averaged()["unet"])
            publish(
                lambda folder: save_base(folder, teacher.vae, encoders, teacher.unet),
                args.export / "mini-sdxl",
            )
            report = {"step": training.step}
            report |= measure(args.export / "mini-sdxl", None, args.measured, 8, 1.0)
            print(json.dumps(report), flush=True)
            with (args.out / "truth.jsonl").open("a") as file:
                file.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
