"""Measures mini-clip against the truth: ``python -m synthvlm.scenes.mini_models.measure.clip``.

On drawn scenes the truth is known; for mini-sdxl's images the oracle decides it. Prints JSON.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image

from synthvlm.alignment.clip_score import PROMPT_PREFIX
from synthvlm.scenes.captions import describe
from synthvlm.scenes.grammar import parse
from synthvlm.scenes.mini_models.measure.sdxl import Generator, held_out_captions
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.oracle import judge
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Mix, sample_scene

Floats = NDArray[np.float64]


class Scorer:
    """mini-clip as the alignment service runs it: prefix, preprocessing, cosine."""

    def __init__(self, folder: Path) -> None:
        name = f"local-dir:{folder}"
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(name)
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)

    def images(self, images: Sequence[NDArray[np.uint8]]) -> Floats:
        """Unit embeddings of images, (n, d)."""
        batch = torch.stack([self.preprocess(Image.fromarray(x)) for x in images])
        with torch.no_grad():
            return np.asarray(self.model.encode_image(batch, normalize=True), np.float64)

    def captions(self, captions: Sequence[str]) -> Floats:
        """Unit embeddings of captions, (n, d)."""
        tokens = self.tokenizer([PROMPT_PREFIX + c for c in captions])
        with torch.no_grad():
            return np.asarray(self.model.encode_text(tokens, normalize=True), np.float64)


def auc(true: Floats, false: Floats) -> float:
    """Probability that a true pair scores above a false one."""
    above = (true[:, None] > false[None]).mean() + 0.5 * (true[:, None] == false[None]).mean()
    return float(above)


def on_drawn_scenes(scorer: Scorer, count: int, seed: int = 880_000) -> dict[str, Any]:
    """How well true captions score above those of a scene that differs in one respect."""
    rng = random.Random(seed)
    images: list[NDArray[np.uint8]] = []
    true: list[str] = []
    false: list[str] = []
    while len(images) < count:
        scene = sample_scene(rng, Mix(0.4, 0.5, 0.1))
        other = describe(mutate(scene, rng), rng, 3)
        meaning = parse(other)
        if meaning is None or holds(meaning, scene):
            continue
        images.append(render(scene))
        true.append(describe(scene, rng, 3))
        false.append(other)
    seen, said, unsaid = scorer.images(images), scorer.captions(true), scorer.captions(false)
    right, wrong = (seen * said).sum(1), (seen * unsaid).sum(1)
    groups = [slice(i, i + 100) for i in range(0, count - 99, 100)]
    hits = [(seen[g] @ said[g].T).argmax(1) == np.arange(100) for g in groups]
    return {
        "true_above_hard_false": float((right > wrong).mean()),
        "auc_hard": auc(right, wrong),
        "recall_at_1_of_100": float(np.mean(hits)),
        "cosine_true_percentiles_5_50_95": np.percentile(right, (5, 50, 95)).round(3).tolist(),
        "cosine_false_percentiles_5_50_95": np.percentile(wrong, (5, 50, 95)).round(3).tolist(),
    }


def on_generated_images(scorer: Scorer, weights: Path, count: int) -> dict[str, Any]:
    """AUC of the score in telling true from false pairs among mini-sdxl's own images."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    report: dict[str, Any] = {}
    for kind in ("one", "two"):
        captions = held_out_captions(kind, count, 770_000)
        images = generate(captions, 9000, 20, 4.0)
        truth = np.asarray([judge(x, c).true for x, c in zip(images, captions, strict=True)], bool)
        scores = (scorer.images(images) * scorer.captions(captions)).sum(1)
        best = np.argsort(-scores)[: count // 5]
        report[kind] = {
            "truth_rate": float(truth.mean()),
            "truth_rate_of_top_fifth": float(truth[best].mean()),
            "auc": auc(scores[truth], scores[~truth]),
            "cosine_percentiles_5_50_95": np.percentile(scores, (5, 50, 95)).round(3).tolist(),
        }
    return report


def main() -> None:
    """Prints the measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--generated", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    scorer = Scorer(args.weights / "mini-clip")
    report: dict[str, Any] = {"drawn": on_drawn_scenes(scorer, args.count)}
    if args.generated:
        report["generated"] = on_generated_images(scorer, args.weights, args.generated)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
