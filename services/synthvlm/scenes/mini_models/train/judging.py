"""Trains mini-clip further, on mini-sdxl's own images.

Drawn scenes are always clean and always true to their own captions. CLIPScore exists to find the
generated images that are not: the oracle says which those are, and mini-clip learns to give true
pairs a higher cosine than false ones, whatever the caption. The contrastive loss on drawn scenes is
kept alongside.
"""

import argparse
import random
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from torch import nn
from torch.nn import functional

from synthvlm.alignment.clip_score import PROMPT_PREFIX
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import Sampling
from synthvlm.profiles import load_profile
from synthvlm.scenes.captions import DETAILS, meaning_of
from synthvlm.scenes.grammar import phrase
from synthvlm.scenes.mini_models.architectures import save_clip
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.mini_models.measure.sdxl import Generator
from synthvlm.scenes.mini_models.train.clip import Pairs, encode_text, match, normalise
from synthvlm.scenes.mini_models.train.data import to_pixels, tokenize
from synthvlm.scenes.mini_models.train.export import publish
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision
from synthvlm.scenes.mini_models.train.resumable_data import Tensors, make_or_load
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.oracle import read
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Mix, sample_scene

MIX: Final = Mix(one=0.35, two=0.4, group=0.25)  # more groups than usual: more that is false
OWN: Final = 0.6
"""How often an image is judged against its own prompt and not against one close to it."""


class Judge(nn.Module):
    """The logit of a pair's truth, linear in the cosine, which is all that CLIPScore sees."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.threshold = nn.Parameter(torch.tensor(0.7))

    def forward(self, cosine: torch.Tensor) -> torch.Tensor:
        """Logits of cosines (n,)."""
        logit: torch.Tensor = self.scale * (cosine - self.threshold)
        return logit


def judge_images(generate: Generator, sampling: Sampling, seed: int, count: int) -> Tensors:
    """Generates images and has the oracle judge each against three captions.

    Returns:
        ``images``: uint8 (n, 64, 64, 3); ``tokens``: int16 (n, 3, 77), of the prompt and of two
        captions of a scene that differs from the prompt's, or from the image's, in one respect;
        ``true``: bool (n, 3).
    """
    rng = random.Random(seed)
    scenes = [sample_scene(rng, MIX) for _ in range(count)]
    asked = [meaning_of(scene, rng, rng.choice(DETAILS)) for scene in scenes]
    prompts = [phrase(meaning, rng) for meaning in asked]
    images = generate(prompts, seed * 1000, sampling.steps, sampling.guidance_scale, batch=32)
    captions: list[str] = []
    truth: list[bool] = []
    for image, scene, meaning, prompt in zip(images, scenes, asked, prompts, strict=True):
        reading = read(image)
        clear = not reading.oddities
        seen = reading.scene if 1 <= len(reading.scene.things) <= 4 else scene
        others = [
            meaning_of(mutate(origin, rng), rng, rng.choice(DETAILS)) for origin in (scene, seen)
        ]
        captions += [prompt, *(phrase(other, rng) for other in others)]
        truth += [clear and holds(m, reading.scene) for m in (meaning, *others)]
    tokens = tokenize(
        build_tokenizer(pad_token="!"), [PROMPT_PREFIX + caption for caption in captions]
    )
    return {
        "images": torch.from_numpy(np.stack(images)),
        "tokens": tokens.to(torch.int16).reshape(count, 3, -1),
        "true": torch.tensor(truth).reshape(count, 3),
    }


def judge_loss(clip: Any, judge: Judge, pool: Tensors, count: int) -> torch.Tensor:
    """Cross-entropy of the judge against the oracle, on ``count`` images and one caption each."""
    pick = torch.randint(0, len(pool["images"]), (count,))
    own = torch.rand(count) < OWN
    which = torch.where(own, 0, torch.randint(1, 3, (count,)))
    with mixed_precision():
        seen = clip.encode_image(normalise(to_pixels(pool["images"][pick])))
        said = encode_text(clip, pool["tokens"][pick, which].long())
    cosine = functional.cosine_similarity(seen.float(), said.float())
    return functional.binary_cross_entropy_with_logits(
        judge(cosine), pool["true"][pick, which].float()
    )


def main() -> None:
    """Generates the images, trains and exports."""
    sampling = GenerationSettings(**load_profile("mini").section("generation")).sampling
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="of mini-sdxl and its refiner")
    parser.add_argument("--clip", type=Path, required=True, help="the model to start from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--drawn", type=int, default=12, help="scenes with a twin, each worker")
    parser.add_argument("--judged", type=int, default=48, help="generated images, each worker")
    parser.add_argument("--parts", type=int, default=8, help="files of images, of each worker")
    parser.add_argument("--part", type=int, default=256, help="images in a file")
    parser.add_argument("--scenes", type=int, default=4000, help="of each worker")
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clip, judge = open_clip.create_model(f"local-dir:{args.clip}").train(), Judge()
    training = Training({"clip": clip, "judge": judge}, args.out, args.steps, args.lr, 0.99)
    generate = Generator(args.weights / "mini-sdxl", args.weights / "mini-sdxl-refiner")
    seed = (args.seed + training.rank) * 100_000
    pool = make_or_load(
        args.out / "judged",
        seed,
        args.parts,
        lambda number: judge_images(generate, sampling, number, args.part),
    )
    data = Pairs(args.seed + 10_000 * training.rank, args.scenes)
    torch.manual_seed(args.seed + 1000 * training.step + training.rank)
    while training.step < args.steps:
        matching, _, _ = match(clip, data, args.drawn)
        training.update(matching + judge_loss(clip, judge, pool, args.judged))
        if training.step % 250 == 0:
            training.save()
    training.save()
    if training.rank == 0:
        state = training.averaged()["clip"]
        publish(lambda folder: save_clip(folder, state), args.export / "mini-clip")


if __name__ == "__main__":
    main()
