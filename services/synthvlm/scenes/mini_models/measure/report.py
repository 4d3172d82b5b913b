"""Measures all mini models: ``python -m synthvlm.scenes.mini_models.measure.report --help``.

Captions describe held-out scenes, the oracle judges the images, and the alignment service's own
scorer scores them. Prints the tables and writes them to ``measured.md`` in a folder, with
``samples.png`` and, for every training that left its log, ``curves/NAME.png``.
"""

import argparse
import csv
import io
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from PIL import Image

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.decoding import Unusable
from synthvlm.alignment.engines import open_clip as open_clip_engine
from synthvlm.alignment.requests import complete
from synthvlm.alignment.scorer import Pair, PairScore, Scorer
from synthvlm.generation.config import GenerationSettings
from synthvlm.profiles import load_profile
from synthvlm.progress import SILENT
from synthvlm.scenes.captions import describe
from synthvlm.scenes.mini_models.measure import clip, llm
from synthvlm.scenes.mini_models.measure.samplers import compare_samplers
from synthvlm.scenes.mini_models.measure.sdxl import (
    Generator,
    held_out_captions,
    likeness,
    truth_of,
)
from synthvlm.scenes.mini_models.measure.tables import Table, percent
from synthvlm.scenes.oracle import judge
from synthvlm.scenes.sheet import BAD, GOOD, Remark, Tile, contact_sheet
from synthvlm.scenes.world import sample_scene

Pixels = NDArray[np.uint8]


def generation(weights: Path, count: int, steps: int, guidance: float) -> Table:
    """Truth and likeness of the base alone and with the refiner, at equal total steps."""
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
    columns = ("", "one thing", "two with relation", "group", "likeness", "per image")
    return Table(
        f"Images true to {count} captions per kind, {steps} steps, guidance {guidance:g}",
        columns,
        rows,
    )


def guidance_scales(weights: Path, count: int, steps: int) -> Table:
    """Truth rate by the guidance scale, base and refiner together."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    captions = held_out_captions("one", count) + held_out_captions("two", count)
    rows = []
    for scale in (1.0, 1.5, 2.5, 4.0, 6.0):
        images = generate(captions, 8000, steps, scale)
        truth = truth_of(images, captions)
        shares = (percent(float(truth[:count].mean())), percent(float(truth[count:].mean())))
        rows.append((f"{scale:g}", *shares, f"{likeness(images):.2f} dB"))
    columns = ("guidance scale", "one thing", "two with relation", "likeness")
    return Table(f"Guidance, {count} captions per kind, {steps} steps", columns, rows)


def clip_table(weights: Path, count: int) -> Table:
    """mini-clip on drawn scenes."""
    scorer = clip.Scorer(weights / "mini-clip")
    figures = clip.on_drawn_scenes(scorer, count)
    names = {
        "recall_at_1_of_100": "finds the caption of an image among 100 (R@1)",
        "true_above_hard_false": "scores a true caption above one that is false in one respect",
        "auc_hard": "AUC, true against such false captions over all images",
    }
    rows = [(text, percent(figures[name])) for name, text in names.items()]
    return Table(f"mini-clip on {count} drawn scenes", ("", ""), rows)


def llm_tables(weights: Path, count: int) -> list[Table]:
    """mini-llm on held-out captions, flawed captions and questions."""
    figures = llm.measure(weights / "mini-llm", count)
    told = figures["perplexity"]
    perplexity = [
        ("AUC, captions against shuffled words", f"{told['auc']:.4f}"),
        ("median perplexity per token, captions", f"{told['median_of_captions']:.2f}"),
        ("the same, shuffled captions", f"{told['median_of_shuffled']:.0f}"),
    ]
    tables = [Table(f"mini-llm: perplexity of {count} captions", ("", ""), perplexity)]
    for name, title, columns in (
        ("judgement", f"mini-llm: {count} captions judged by Yes or No", ("captions", "right")),
        ("answers", f"mini-llm: {count} questions on full captions", ("questions", "right")),
        ("descriptions", "mini-llm: captions in other words", ("asked for", "true")),
    ):
        rows = [(kind, percent(share)) for kind, share in figures[name].items()]
        tables.append(Table(title, columns, rows))
    return tables


def selection(weights: Path, count: int, steps: int, guidance: float) -> tuple[Table, Table]:
    """What selection gains: truth rates of all pairs and of those chosen by score."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    rng = random.Random(660_000)
    captions = [describe(sample_scene(rng), rng) for _ in range(count)]
    images = generate(captions, 6000, steps, guidance)
    truth = truth_of(images, captions)
    scores = score(weights, images, captions)
    names = ("weighted_score", "clip_score", "ssim_score")
    by_name = {name: np.asarray([getattr(s, name) for s in scores]) for name in names}
    rows = choices(truth, by_name)
    clip_scores = np.asarray([s.clip_score for s in scores])
    area = clip.auc(clip_scores[truth], clip_scores[~truth])
    low, middle, high = np.percentile(clip_scores, (5, 50, 95))
    detail = [
        ("AUC of CLIPScore, true against false", f"{area:.3f}"),
        ("CLIPScore, 5th / 50th / 95th percentile", f"{low:.3f} / {middle:.3f} / {high:.3f}"),
    ]
    return (
        Table(
            f"Selection from {count} pairs generated in {steps} steps",
            ("pairs", "number", "true"),
            rows,
        ),
        Table("CLIPScore on the same pairs", ("", ""), detail),
    )


def choices(
    truth: NDArray[np.bool_], scores: Mapping[str, NDArray[np.float64]]
) -> list[tuple[str, ...]]:
    """Number and truth rate of all pairs, of a random fifth, and of the fifth with each top score.

    Args:
        truth: Which pairs are true; (n,), at least five.
        scores: Scores of the same pairs by name; (n,) each.
    """
    count, fifth = len(truth), len(truth) // 5
    chosen = {
        "all": np.arange(count),
        "a random fifth": np.random.default_rng(0).permutation(count)[:fifth],
    }
    for name, values in scores.items():
        chosen[f"top fifth by {name}"] = np.argsort(-values, kind="stable")[:fifth]
    return [
        (name, str(len(some)), percent(float(truth[some].mean()))) for name, some in chosen.items()
    ]


def score(weights: Path, images: Sequence[Pixels], captions: Sequence[str]) -> list[PairScore]:
    """Scores as the alignment service gives them with the profile ``mini``.

    Raises:
        RuntimeError: A pair cannot be scored.
    """
    engine = open_clip_engine.load(
        weights / "mini-clip", device="cpu", threads=torch.get_num_threads(), batch_multiple=4
    )
    parameters = complete(None, AlignmentSettings(**load_profile("mini").section("alignment")))
    scorer = Scorer(engine, 64, torch.get_num_threads())
    try:
        pairs = [Pair(_png(x), c) for x, c in zip(images, captions, strict=True)]
        scored = scorer.score(pairs, parameters, SILENT)
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
    """A sheet of images with captions, coloured by the oracle's verdict, and its reasons."""
    generate = Generator(weights / "mini-sdxl", weights / "mini-sdxl-refiner")
    captions = [c for kind in ("one", "two", "group") for c in held_out_captions(kind, 8)]
    images = generate(captions, 7000, steps, guidance)
    tiles = []
    for image, caption in zip(images, captions, strict=True):
        verdict = judge(image, caption)
        remarks = [Remark(caption, GOOD if verdict.true else BAD)]
        tiles.append(Tile(image, (*remarks, *map(Remark, verdict.reasons))))
    contact_sheet(tiles).save(out / "samples.png")


def minutes(rows: Sequence[Mapping[str, str]]) -> float:
    """How long a training took by its log, whose clock restarts whenever it is resumed."""
    seconds = [float(row["seconds"]) for row in rows]
    ends = [now for now, later in pairwise([*seconds, 0.0]) if later < now]
    return sum(ends) / 60


def draw_curves(logs: Path, out: Path) -> list[Path]:
    """Plots the loss of every training that left a log; other pictures stay as they are.

    Args:
        logs: Folder with a folder for each training, which holds its ``log.csv``.
        out: Where the pictures go.
    """
    paths = []
    for log in sorted(logs.glob("*/log.csv")):
        with log.open(newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        out.mkdir(parents=True, exist_ok=True)
        figure, axis = plt.subplots(figsize=(3.2, 2.8))
        axis.plot([int(r["step"]) for r in rows], [float(r["loss"]) for r in rows])
        axis.set(yscale="log", title=f"{log.parent.name}: {minutes(rows):.0f} min")
        axis.set(xlabel="step", ylabel="loss")
        figure.tight_layout()
        paths.append(out / f"{log.parent.name}.png")
        figure.savefig(paths[-1], dpi=80)
        plt.close(figure)
    return paths


@dataclass(frozen=True)
class Setting:
    """What is measured: the weights, how many samples, and how images are made."""

    weights: Path
    count: int
    steps: int
    guidance: float

    @property
    def few(self) -> int:
        """Samples where many settings are compared."""
        return max(16, self.count // 10)


SECTIONS: Final[dict[str, Callable[[Setting], Sequence[Table]]]] = {
    "mini-llm": lambda x: llm_tables(x.weights, x.count),
    "mini-clip": lambda x: [clip_table(x.weights, x.count)],
    "selection": lambda x: selection(x.weights, x.count, x.steps, x.guidance),
    "mini-sdxl": lambda x: [generation(x.weights, x.count, x.steps, x.guidance)],
    "guidance": lambda x: [guidance_scales(x.weights, x.few, x.steps)],
    "samplers": lambda x: [compare_samplers(x.weights, x.few, x.guidance)],
}
"""Sections of ``measured.md``, in their order."""


def read_sections(text: str) -> dict[str, str]:
    """The sections of a ``measured.md`` by name, without their headings."""
    _, *pieces = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(pieces[::2], pieces[1::2], strict=True)}


def write_sections(sections: Mapping[str, str]) -> str:
    """A ``measured.md`` of the given sections, in the order of ``SECTIONS``."""
    ordered = [f"## {name}\n\n{sections[name]}\n" for name in SECTIONS if name in sections]
    title = "# The bundled models, measured\n\nWritten by `make mini-report`.\n"
    return "\n".join([title, *ordered])


def main() -> None:
    """Measures, prints and writes; sections that are not listed stay as they are."""
    sampling = GenerationSettings(**load_profile("mini").section("generation")).sampling
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True, help="folder of the training logs")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=sampling.steps)
    parser.add_argument("--guidance", type=float, default=sampling.guidance_scale)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    mpl.use("Agg")
    args.out.mkdir(parents=True, exist_ok=True)
    draw_curves(args.logs, args.out / "curves")
    if "mini-sdxl" in args.only:
        draw_samples(args.weights, args.out, args.steps, args.guidance)
    path = args.out / "measured.md"
    sections = read_sections(path.read_text("utf-8")) if path.exists() else {}
    setting = Setting(args.weights, args.count, args.steps, args.guidance)
    for name in args.only:
        tables = "\n".join(map(str, SECTIONS[name](setting)))
        print(tables, flush=True)
        sections[name] = tables.strip()
        path.write_text(write_sections(sections), "utf-8")


if __name__ == "__main__":
    main()
