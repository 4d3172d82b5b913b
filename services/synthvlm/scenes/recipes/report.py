"""Measures all mini models together: ``python -m synthvlm.scenes.recipes.report --weights DIR``.

Captions are of held-out scenes, images are judged by the oracle, scores are the alignment
service's own. Writes ``measured.md`` (tables), ``samples.png`` and, from the trainings' logs,
``curves.png`` into a folder, and prints the tables.
"""

import argparse
import csv
import io
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from PIL import Image

from synthvlm.alignment.engines import open_clip as open_clip_engine
from synthvlm.alignment.images import Unusable
from synthvlm.alignment.scorer import Pair, PairScore, ScoreParameters, Scorer
from synthvlm.alignment.weighted import Range, Weighting
from synthvlm.progress import SILENT
from synthvlm.scenes.captions import describe
from synthvlm.scenes.oracle import judge, read
from synthvlm.scenes.recipes import measure_clip
from synthvlm.scenes.recipes.data import PREFIX
from synthvlm.scenes.recipes.measure import Generator, held_out_captions
from synthvlm.scenes.render import render
from synthvlm.scenes.world import sample_scene

TRAININGS: Final = ("vae", "text", "base", "refiner", "clip")
PARAMETERS: Final = ScoreParameters(PREFIX, 32, Weighting(0.5, Range(0.0, 1.0), Range(0.0, 1.0)))
"""As in the profile ``mini``."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def __str__(self) -> str:
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{body}\n"


def truth_of(images: Sequence[Pixels], captions: Sequence[str]) -> NDArray[np.bool_]:
    """Which captions are true of their images, by the oracle."""
    return np.asarray([judge(x, c).true for x, c in zip(images, captions, strict=True)], bool)


def likeness(images: Sequence[Pixels]) -> float:
    """How cleanly images are drawn, in dB.

    Mean peak signal-to-noise ratio between an image and the drawing of the scene that the oracle
    reads in it: artefacts, blur and crooked outlines lower it, whatever the scene is.
    """
    ratios = []
    for image in images:
        error = (render(read(image).scene).astype(float) - image) ** 2
        ratios.append(10 * np.log10(255**2 / max(float(error.mean()), 1e-3)))
    return float(np.mean(ratios))


def percent(share: float) -> str:
    """A share for a table."""
    return f"{100 * share:.1f}%"


def generation(weights: Path, count: int, steps: int, guidance: float) -> Table:
    """Truth and likeness of base alone and of base with refiner, at equal total steps."""
    base, refiner = weights / "mini-sdxl", weights / "mini-sdxl-refiner"
    rows = []
    for name, generate in (
        ("base alone", Generator(base, None)),
        ("base + refiner", Generator(base, refiner)),
    ):
        row = [name]
        everything: list[Pixels] = []
        began = time.perf_counter()
        for kind in ("one", "two", "group"):
            captions = held_out_captions(kind, count)
            images = generate(captions, 7000, steps, guidance)
            row.append(percent(float(truth_of(images, captions).mean())))
            everything += images
        seconds = (time.perf_counter() - began) / len(everything)
        rows.append((*row, f"{likeness(everything):.2f} dB", f"{seconds:.3f} s"))
    columns = ("", "one thing", "two with relation", "group", "likeness", "an image")
    return Table(f"Images true to {count} captions a kind, {steps} steps", columns, rows)


def sampling(weights: Path, count: int, guidance: float) -> Table:
    """Truth rate by the number of steps and the guidance scale, base and refiner together."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    captions = held_out_captions("one", count) + held_out_captions("two", count)
    rows = []
    settings = [(steps, guidance) for steps in (5, 10, 15, 20, 30)]
    settings += [(20, scale) for scale in (1.5, 3.0, 6.0, 9.0)]
    for steps, scale in settings:
        began = time.perf_counter()
        images = generate(captions, 8000, steps, scale)
        seconds = (time.perf_counter() - began) / len(images)
        truth = truth_of(images, captions)
        shares = (percent(float(truth[:count].mean())), percent(float(truth[count:].mean())))
        rows.append((str(steps), f"{scale:g}", *shares, f"{seconds:.3f} s"))
    columns = ("steps", "guidance scale", "one thing", "two with relation", "an image")
    return Table(f"Sampling, {count} captions a kind", columns, rows)


def clip(weights: Path, count: int) -> Table:
    """mini-clip on drawn scenes."""
    scorer = measure_clip.Scorer(weights / "mini-clip")
    figures = measure_clip.on_drawn_scenes(scorer, count)
    names = {
        "recall_at_1_of_100": "finds the caption of an image among 100 (R@1)",
        "true_above_hard_false": "true caption above one that is false in one respect",
        "auc_hard": "AUC, true against such captions over all images",
    }
    rows = [(text, percent(figures[name])) for name, text in names.items()]
    return Table(f"mini-clip on {count} drawn scenes", ("", ""), rows)


def selection(weights: Path, count: int, steps: int, guidance: float) -> tuple[Table, Table]:
    """What selection gains: truth rates of all pairs and of those that scores choose."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    rng = random.Random(660_000)
    captions = [describe(sample_scene(rng), rng) for _ in range(count)]
    images = generate(captions, 6000, steps, guidance)
    truth = truth_of(images, captions)
    scores = score(weights, images, captions)
    chance = np.random.default_rng(0).permutation(count)
    rows = []
    orders = [("all", chance, count), ("a random fifth", chance, count // 5)]
    for name in ("weighted_score", "clip_score", "ssim_score"):
        values = np.asarray([getattr(s, name) for s in scores])
        orders.append((f"top fifth by {name}", np.argsort(-values, kind="stable"), count // 5))
    for name, order, size in orders:
        rows.append((name, str(size), percent(float(truth[order[:size]].mean()))))
    clip_scores = np.asarray([s.clip_score for s in scores])
    area = measure_clip.auc(clip_scores[truth], clip_scores[~truth])
    low, middle, high = np.percentile(clip_scores, (5, 50, 95))
    detail = [
        ("AUC of CLIPScore, true against false", f"{area:.3f}"),
        ("CLIPScore, 5th / 50th / 95th percentile", f"{low:.3f} / {middle:.3f} / {high:.3f}"),
    ]
    return (
        Table(f"Selection from {count} generated pairs", ("pairs", "number", "true"), rows),
        Table("CLIPScore on the same pairs", ("", ""), detail),
    )


def score(weights: Path, images: Sequence[Pixels], captions: Sequence[str]) -> list[PairScore]:
    """Scores as the alignment service gives them.

    Raises:
        RuntimeError: A pair cannot be scored.
    """
    engine = open_clip_engine.load(
        weights / "mini-clip", device="cpu", threads=torch.get_num_threads(), batch_multiple=4
    )
    scorer = Scorer(engine, 64, torch.get_num_threads())
    try:
        pairs = [Pair(_png(x), c) for x, c in zip(images, captions, strict=True)]
        scored = scorer.score(pairs, PARAMETERS, SILENT)
    finally:
        scorer.close()
    unusable = [one.description for one in scored if isinstance(one, Unusable)]
    if unusable:
        raise RuntimeError(f"{len(unusable)} pairs cannot be scored: the first {unusable[0]}")
    return [one for one in scored if isinstance(one, PairScore)]


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def draw_samples(weights: Path, out: Path, steps: int, guidance: float) -> None:
    """A picture of images with their captions, framed by what the oracle says of them."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    captions = [c for kind in ("one", "two", "group") for c in held_out_captions(kind, 8)]
    images = generate(captions, 7000, steps, guidance)
    figure, axes = plt.subplots(3, 8, figsize=(16, 7.4))
    for axis, image, caption in zip(axes.flat, images, captions, strict=True):
        axis.imshow(image, interpolation="nearest")
        verdict = judge(image, caption)
        colour = "#2e7d32" if verdict.true else "#c62828"
        axis.set_title(caption, fontsize=7.5, color=colour, wrap=True)
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set(color=colour, linewidth=2)
    figure.tight_layout()
    figure.savefig(out / "samples.png", dpi=80)
    plt.close(figure)


def draw_curves(logs: Path, out: Path) -> None:
    """A picture of the losses of all trainings that left a log."""
    names = [name for name in TRAININGS if (logs / name / "log.csv").exists()]
    if not names:
        return
    figure, axes = plt.subplots(1, len(names), figsize=(3.2 * len(names), 2.8), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=True):
        with (logs / name / "log.csv").open(newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        axis.plot([int(r["step"]) for r in rows], [float(r["loss"]) for r in rows])
        axis.set(yscale="log", title=f"{name}: {float(rows[-1]['seconds']) / 60:.0f} min")
        axis.set(xlabel="step", ylabel="loss")
    figure.tight_layout()
    figure.savefig(out / "curves.png", dpi=80)
    plt.close(figure)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    mpl.use("Agg")
    args.out.mkdir(parents=True, exist_ok=True)
    draw_curves(args.logs, args.out)
    draw_samples(args.weights, args.out, args.steps, args.guidance)
    tables = []
    for make in (
        lambda: [clip(args.weights, args.count)],
        lambda: list(selection(args.weights, args.count, args.steps, args.guidance)),
        lambda: [generation(args.weights, args.count, args.steps, args.guidance)],
        lambda: [sampling(args.weights, max(16, args.count // 10), args.guidance)],
    ):
        for table in make():
            print(table, flush=True)
            tables.append(str(table))
        (args.out / "measured.md").write_text("\n".join(tables))


if __name__ == "__main__":
    main()
