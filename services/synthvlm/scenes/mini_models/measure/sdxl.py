"""Measures mini-sdxl: how many of its images are true to their captions, by the oracle.

``python -m synthvlm.scenes.mini_models.measure.sdxl --weights DIR`` prints one line of JSON.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from numpy.typing import NDArray

from synthvlm.scenes.captions import describe
from synthvlm.scenes.oracle import judge, read
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Mix, sample_scene

HANDOVER: Final = 0.8
"""The share of the denoising after which the refiner takes over."""

Pixels = NDArray[np.uint8]


def held_out_captions(kind: str, count: int, seed: int = 990_000) -> list[str]:
    """Captions of scenes with ``one`` thing, ``two``, or a ``group``, unseen in training."""
    mix = {"one": Mix(1, 0, 0), "two": Mix(0, 1, 0), "group": Mix(0, 0, 1)}[kind]
    rng = random.Random(seed)
    return [describe(sample_scene(rng, mix), rng) for _ in range(count)]


class Generator:
    """Base and, if its folder is given, refiner, run as in production."""

    def __init__(self, base: Path, refiner: Path | None) -> None:
        self.base = StableDiffusionXLPipeline.from_pretrained(base)
        self.base.set_progress_bar_config(disable=True)
        self.refiner = None
        if refiner is not None:
            self.refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(refiner)
            self.refiner.set_progress_bar_config(disable=True)

    def __call__(
        self, captions: Sequence[str], seed: int, steps: int, guidance: float, batch: int = 16
    ) -> list[Pixels]:
        """One image (64, 64, 3) for every caption; the base does ``HANDOVER`` of the steps."""
        images: list[Pixels] = []
        for start in range(0, len(captions), batch):
            prompts = list(captions[start : start + batch])
            common: dict[str, Any] = {
                "prompt": prompts,
                "num_inference_steps": steps,
                "guidance_scale": guidance,
                "generator": [
                    torch.Generator().manual_seed(seed + start + i) for i in range(len(prompts))
                ],
            }
            if self.refiner is None:
                images += list(self.base(**common, output_type="np").images)
            else:
                latents = self.base(**common, denoising_end=HANDOVER, output_type="latent").images
                images += list(
                    self.refiner(
                        **common, image=latents, denoising_start=HANDOVER, output_type="np"
                    ).images
                )
        return [(x * 255).round().astype(np.uint8) for x in images]


def truth_of(images: Sequence[Pixels], captions: Sequence[str]) -> NDArray[np.bool_]:
    """Which captions are true of their images, by the oracle."""
    return np.asarray([judge(x, c).true for x, c in zip(images, captions, strict=True)], bool)


def likeness(images: Sequence[Pixels]) -> float:
    """How cleanly images are drawn, in dB.

    Mean peak signal-to-noise ratio between an image and a drawing of the scene that the oracle
    reads in it: artefacts, blur and crooked outlines lower it, whatever the scene.
    """
    ratios = []
    for image in images:
        error = (render(read(image).scene).astype(float) - image) ** 2
        ratios.append(10 * np.log10(255**2 / max(float(error.mean()), 1e-3)))
    return float(np.mean(ratios))


def measure(
    base: Path, refiner: Path | None, count: int, steps: int = 20, guidance: float = 4.0
) -> dict[str, Any]:
    """Truth rates by kind of scene, the most common reasons for failure, seconds per image."""
    generate = Generator(base, refiner)
    report: dict[str, Any] = {"steps": steps, "guidance": guidance, "refiner": refiner is not None}
    began = time.perf_counter()
    for kind in ("one", "two", "group"):
        captions = held_out_captions(kind, count)
        images = generate(captions, 7000, steps, guidance)
        verdicts = [judge(x, c) for x, c in zip(images, captions, strict=True)]
        reasons = Counter(" ".join(r.split()[:4]) for v in verdicts for r in v.reasons)
        report[kind] = sum(bool(v.true) for v in verdicts) / count
        report[kind + "_reasons"] = dict(reasons.most_common(6))
    report["seconds_an_image"] = round((time.perf_counter() - began) / (3 * count), 4)
    return report


def main() -> None:
    """Prints the measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--refiner", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    refiner = args.weights / "mini-sdxl-refiner" if args.refiner else None
    print(
        json.dumps(
            measure(args.weights / "mini-sdxl", refiner, args.count, args.steps, args.guidance)
        )
    )


if __name__ == "__main__":
    main()
