"""Trains mini-sdxl's UNet further, on what it makes itself.

A denoiser is trained on noisy drawings. When it draws by itself it sees its own mistakes, which it
has never been shown: where one thing is asked for, two faint ones both become clear. Here a teacher
draws from many noises, each drawing is corrected (see ``pairing``), and the UNet learns to go from
every state on the teacher's way to the scene that should have come out (DAgger, Ross et al. 2011,
arXiv 1011.0686). What guidance did for the teacher is then built into the UNet.
"""

import argparse
import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline

from synthvlm.scenes.captions import DETAILS, meaning_of
from synthvlm.scenes.grammar import phrase
from synthvlm.scenes.mini_models.architectures import LATENT_SIZE, SCHEDULE
from synthvlm.scenes.mini_models.measure.sdxl import measure
from synthvlm.scenes.mini_models.train.conditioning import encode_captions
from synthvlm.scenes.mini_models.train.data import Scenes, tokenize
from synthvlm.scenes.mini_models.train.diffusion import (
    LAST_WEIGHTED_TIME,
    TIME_IDS,
    UNCONDITIONAL,
    encode_scenes,
    export,
    sample_times,
    weigh_things,
)
from synthvlm.scenes.mini_models.train.loop import Training, bfloat16, mixed_precision
from synthvlm.scenes.mini_models.train.pairing import Drawing, nearest_drawing
from synthvlm.scenes.mini_models.train.resumable_data import Tensors, make_or_load
from synthvlm.scenes.world import Mix, sample_scene

BATCH: Final = 32  # of the teacher
STEPS: Final = 8  # of the teacher
MIX: Final = Mix(one=0.6, two=0.25, group=0.15)
"""More lone things than usual: their flaw is a second thing, which only shows in own states."""
FIRST_TIME: Final = 300
"""Below it the layout is settled, and a drawing that is half a pixel off teaches blur."""


def draw_states(
    teacher: StableDiffusionXLPipeline, guidance: float, seed: int, count: int
) -> Tensors:
    """Captions, the states through which the teacher passes, and where it should have arrived.

    Returns:
        ``states``: what the UNet sees at each time, float16 (n, s, 4, 16, 16); ``times``: int16
        (n, s); ``latents`` of the right drawing: float16 (n, 4, 16, 16); ``weights`` of the loss:
        float16 (n, 1, 16, 16); ``tokens``: int16 (n, 77).
    """
    rng = random.Random(seed)
    scenes = [sample_scene(rng, MIX) for _ in range(count)]
    meanings = [meaning_of(scene, rng, rng.choice(DETAILS)) for scene in scenes]
    captions = [phrase(meaning, rng) for meaning in meanings]
    shape = (count, 4, LATENT_SIZE, LATENT_SIZE)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    drawings: list[Drawing] = []
    states: list[torch.Tensor] = []
    times = torch.empty(0)
    for start in range(0, count, BATCH):
        some = slice(start, start + BATCH)
        passed = [noise[some]]

        def keep(
            pipeline: Any, step: int, _: Any, state: dict[str, Any], passed: Any = passed
        ) -> dict[str, Any]:
            sigma = pipeline.scheduler.sigmas[step + 1]
            passed.append(state["latents"] / (sigma**2 + 1) ** 0.5)
            return state

        with bfloat16():
            images = teacher(
                captions[some],
                latents=noise[some],
                num_inference_steps=STEPS,
                guidance_scale=guidance,
                output_type="np",
                callback_on_step_end=keep,
            ).images
        times = teacher.scheduler.timesteps[teacher.scheduler.timesteps >= FIRST_TIME]
        states.append(torch.stack(passed[: len(times)], 1).half())
        drawings += [
            nearest_drawing((image * 255).round().astype("uint8"), scene, meaning, rng)
            for image, scene, meaning in zip(images, scenes[some], meanings[some], strict=True)
        ]
    tokens = tokenize(teacher.tokenizer, captions).to(torch.int16)
    images = torch.stack([torch.from_numpy(d.pixels) for d in drawings])
    return {
        "states": torch.cat(states),
        "times": times.to(torch.int16).repeat(count, 1),
        "latents": encode_scenes(teacher.vae, images),
        "weights": weigh_things(Scenes([d.scene for d in drawings], images, tokens)),
        "tokens": tokens,
    }


def velocity(states: torch.Tensor, latents: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
    """What the UNet should predict in a state to arrive at the latents.

    Args:
        states: (n, 4, h, w).
        latents: (n, 4, h, w).
        alphas: The schedule's cumulative product at the states' times, (n,).
    """
    kept = alphas.sqrt()[:, None, None, None]
    noise = (1 - alphas).sqrt()[:, None, None, None]
    return (kept * states - latents) / noise


def main() -> None:  # noqa: PLR0915 - a training reads best from top to bottom
    """Draws, trains and exports; every ``--every`` steps a measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--guidance", type=float, default=1.5, help="of the teacher")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16, help="of each worker")
    parser.add_argument("--parts", type=int, default=10, help="files of drawings, of each worker")
    parser.add_argument("--part", type=int, default=256, help="drawings in a file")
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measured", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    teacher = StableDiffusionXLPipeline.from_pretrained(args.teacher, dtype=torch.float32)
    teacher.set_progress_bar_config(disable=True)
    unet = deepcopy(teacher.unet).to(memory_format=torch.channels_last)
    training = Training({"unet": unet}, args.out, args.steps, args.lr, 0.995)
    # Every worker has its own noises and captions.
    pool = make_or_load(
        args.out / "states",
        (args.seed + training.rank) * 100_000,
        args.parts,
        lambda number: draw_states(teacher, args.guidance, number, args.part),
    )
    encoders, eos = (teacher.text_encoder, teacher.text_encoder_2), teacher.tokenizer.eos_token_id
    captions = encode_captions(*encoders, pool["tokens"], eos)
    nothing = encode_captions(*encoders, tokenize(teacher.tokenizer, [""]), eos)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    noiser = DDPMScheduler(**{k: v for k, v in SCHEDULE.items() if k != "timestep_spacing"})
    ids = torch.tensor([TIME_IDS]).repeat(args.batch, 1)
    # The first half of a batch is states of the teacher, the second noisy drawings as before.
    own = torch.arange(args.batch) < args.batch // 2
    while training.step < args.steps:
        pick = torch.randint(0, len(pool["latents"]), (args.batch,))
        context, pooled = captions.context[pick].float(), captions.pooled[pick].float()
        silent = (torch.rand(args.batch) < UNCONDITIONAL) & ~own
        context[silent], pooled[silent] = nothing.context.float(), nothing.pooled.float()
        x = pool["latents"][pick].float()
        at = torch.randint(0, pool["times"].shape[1], (args.batch,))
        times = torch.where(own, pool["times"][pick, at].long(), sample_times(args.batch))
        noisy = noiser.add_noise(x, torch.randn_like(x), times)
        noisy[own] = pool["states"][pick, at][own].float()
        target = velocity(noisy, x, noiser.alphas_cumprod[times])
        with mixed_precision():
            added = {"text_embeds": pooled, "time_ids": ids}
            seen = noisy.contiguous(memory_format=torch.channels_last)
            predicted = unet(seen, times, context, added_cond_kwargs=added).sample
        weight = torch.where(
            (own | (times < LAST_WEIGHTED_TIME))[:, None, None, None],
            pool["weights"][pick].float(),
            1.0,
        )
        training.update(((predicted.float() - target).pow(2) * weight).mean() / weight.mean())
        if training.step % args.every == 0 or training.step == args.steps:
            training.save()
            if training.rank != 0:
                continue
            export(training, teacher.vae, encoders, args.export / "mini-sdxl")
            report = {"step": training.step}
            report |= measure(args.export / "mini-sdxl", None, args.measured, STEPS, 1.0)
            print(json.dumps(report), flush=True)
            with (args.out / "truth.jsonl").open("a") as file:
                file.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
