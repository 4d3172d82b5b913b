"""Compares the oracle with a person: ``python -m synthvlm.scenes.recipes.hand_labels MODE``.

``draw --weights DIR --out FOLDER`` makes images, lays them out on numbered sheets and writes
``labels.csv`` with an empty column ``label``, for a person to fill in with ``true`` or ``false``:
does the image show what its caption says? ``compare --weights DIR --labels FILE`` makes the same
images again from their seeds and prints how often the oracle says the same, and where it does not.
"""

import argparse
import csv
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import Engine, ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import load
from synthvlm.profiles import load_profile
from synthvlm.progress import SILENT
from synthvlm.scenes.captions import describe
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.oracle import Verdict, judge
from synthvlm.scenes.sheet import FAINT, Remark, Tile, contact_sheet
from synthvlm.scenes.world import sample_scene

SHEET: Final = 40  # images on one sheet
BATCH: Final = 8

Pixels = NDArray[np.uint8]
Draw = Callable[[Sequence[str], Sequence[int]], list[Pixels]]
"""Makes an image of each prompt from the seed in the same place."""


@dataclass(frozen=True, slots=True)
class Label:
    """A row of the file; ``label`` is ``true``, ``false``, or empty when nobody has looked yet.

    ``prompt`` is what the image was made of, ``caption`` what it is compared with, and ``model``
    the digest of the weights.
    """

    id: int
    seed: int
    prompt: str
    caption: str
    model: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A label beside the oracle's verdict on the same image."""

    label: Label
    verdict: Verdict

    @property
    def agrees(self) -> bool:
        """Whether person and oracle say the same."""
        return self.verdict.true == (self.label.label == "true")


def choose(seed: int, count: int, model: str) -> list[Label]:
    """Prompts, seeds and captions to label; a third of the captions are not the prompt.

    Those are captions of a scene that differs in one respect, so that there is something to find
    in images that a good model has made.
    """
    rng = random.Random(seed)
    labels = []
    for number in range(count):
        scene = sample_scene(rng)
        prompt = describe(scene, rng)
        caption = describe(mutate(scene, rng), rng) if rng.random() < 1 / 3 else prompt
        labels.append(Label(number + 1, rng.getrandbits(31), prompt, caption, model))
    return labels


def write_labels(labels: Sequence[Label], path: Path) -> None:
    """Writes the file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Label)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(label) for label in labels)


def read_labels(path: Path) -> list[Label]:
    """Reads the rows that have a label.

    Raises:
        ValueError: A label is neither ``true`` nor ``false``.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{**row, "label": row["label"].strip().lower()} for row in csv.DictReader(file)]
    wrong = [row["id"] for row in rows if row["label"] not in ("", "true", "false")]
    if wrong:
        raise ValueError(f"labels are true or false; see the rows {', '.join(wrong)} of {path}")
    return [
        Label(int(r["id"]), int(r["seed"]), r["prompt"], r["caption"], r["model"], r["label"])
        for r in rows
        if r["label"]
    ]


def write_sheets(labels: Sequence[Label], draw: Draw, folder: Path) -> list[Path]:
    """Draws the images onto sheets ``sheet-01.png``…, each with its id and caption."""
    paths = []
    for start in range(0, len(labels), SHEET):
        some = labels[start : start + SHEET]
        tiles = [
            Tile(image, (Remark(f"{label.id}", FAINT), Remark(label.caption)))
            for label, image in zip(some, _images(some, draw), strict=True)
        ]
        path = folder / f"sheet-{start // SHEET + 1:02}.png"
        contact_sheet(tiles, "Does each image show what its caption says?").save(path)
        paths.append(path)
    return paths


def compare(labels: Sequence[Label], draw: Draw) -> list[Comparison]:
    """Asks the oracle about the images that were labelled."""
    images = _images(labels, draw)
    return [Comparison(x, judge(i, x.caption)) for x, i in zip(labels, images, strict=True)]


def report(comparisons: Sequence[Comparison]) -> str:
    """How often person and oracle agree, and every image on which they do not."""
    apart = [c for c in comparisons if not c.agrees]
    same = len(comparisons) - len(apart)
    lines = [f"{same} of {len(comparisons)} agree ({same / max(len(comparisons), 1):.1%})"]
    for c in apart:
        said = f"person {c.label.label}, oracle {str(c.verdict.true).lower()}"
        reasons = "; ".join(c.verdict.reasons) or "nothing is wrong"
        lines.append(
            f"{c.label.id}: {said} ({c.verdict.confidence:.2f}: {reasons}) - {c.label.caption}"
        )
    return "\n".join(lines)


def engine_of(weights: Path, threads: int) -> tuple[Engine, Sampling]:
    """The engine and parameters of the profile ``mini``, with the weights of a folder."""
    settings = GenerationSettings(**load_profile("mini").section("generation"))
    engine = load(
        weights / "mini-sdxl",
        weights / "mini-sdxl-refiner",
        device="cpu",
        dtype=settings.dtype,
        threads=threads,
        batch_multiple=settings.batch_multiple,
    )
    return engine, settings.sampling


def _images(labels: Sequence[Label], draw: Draw) -> list[Pixels]:
    return draw([label.prompt for label in labels], [label.seed for label in labels])


def _drawing(engine: Engine, sampling: Sampling) -> Draw:
    def draw(prompts: Sequence[str], seeds: Sequence[int]) -> list[Pixels]:
        requests = [ImageRequest(p, s, sampling) for p, s in zip(prompts, seeds, strict=True)]
        batches = [requests[i : i + BATCH] for i in range(0, len(requests), BATCH)]
        return [sample.pixels for batch in batches for sample in engine.generate(batch, SILENT)]

    return draw


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    drawing = modes.add_parser("draw", help="make images for a person to label")
    drawing.add_argument("--out", type=Path, required=True)
    drawing.add_argument("--count", type=int, default=200)
    drawing.add_argument("--seed", type=int, default=11)
    comparing = modes.add_parser("compare", help="compare labels with the oracle")
    comparing.add_argument("--labels", type=Path, required=True)
    for mode in (drawing, comparing):
        mode.add_argument("--weights", type=Path, required=True)
        mode.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    engine, sampling = engine_of(args.weights, args.threads)
    draw = _drawing(engine, sampling)
    if args.mode == "draw":
        args.out.mkdir(parents=True, exist_ok=True)
        labels = choose(args.seed, args.count, engine.model_digest)
        write_labels(labels, args.out / "labels.csv")
        for path in write_sheets(labels, draw, args.out):
            print(path)
        return 0
    labels = read_labels(args.labels)
    if {label.model for label in labels} - {engine.model_digest}:
        print(f"{args.labels} labels images of other weights", file=sys.stderr)
        return 2
    print(report(compare(labels, draw)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
