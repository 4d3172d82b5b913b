"""Compares the oracle with a person.

``python -m synthvlm.scenes.mini_models.measure.hand_labels MODE``, where MODE is one of two:
``draw FOLDER`` makes images and keeps them in ``images.png``, lays them out on numbered sheets, and
writes ``labels.csv`` with an empty column ``label``, for a person to fill in with ``true`` or
``false``: does the image show what its caption says? ``compare FOLDER`` prints how often the oracle
says the same of those images, and where it does not.
"""

import argparse
import csv
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest
from synthvlm.generation.loading import load_pipelines
from synthvlm.profiles import load_profile
from synthvlm.progress import SILENT
from synthvlm.scenes.captions import describe
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.oracle import Verdict, judge
from synthvlm.scenes.sheet import FAINT, Remark, Tile, contact_sheet
from synthvlm.scenes.world import sample_scene

SHEET: Final = 40  # images on one sheet
COLUMNS: Final = 20  # images in a row of images.png
SIDE: Final = 64
BATCH: Final = 8

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Label:
    """A row of the file; ``label`` is ``true``, ``false``, or empty if nobody has looked yet.

    The image was made from ``prompt`` and ``seed``, and is compared with ``caption``.
    """

    id: int
    seed: int
    prompt: str
    caption: str
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


def choose(seed: int, count: int) -> list[Label]:
    """Prompts, seeds and captions to label; a third of the captions are not the prompt.

    Those describe a scene that differs in one respect, so there is something to find even in the
    images of a good model.
    """
    rng = random.Random(seed)
    labels = []
    for number in range(count):
        scene = sample_scene(rng)
        prompt = describe(scene, rng)
        caption = describe(mutate(scene, rng), rng) if rng.random() < 1 / 3 else prompt
        labels.append(Label(number + 1, rng.getrandbits(31), prompt, caption))
    return labels


def write_labels(labels: Sequence[Label], path: Path) -> None:
    """Writes the file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Label)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(label) for label in labels)


def read_labels(path: Path) -> list[Label]:
    """Reads the rows, also those without a label.

    Raises:
        ValueError: A label is neither ``true`` nor ``false``.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{**row, "label": row["label"].strip().lower()} for row in csv.DictReader(file)]
    wrong = [row["id"] for row in rows if row["label"] not in ("", "true", "false")]
    if wrong:
        raise ValueError(f"labels are true or false; see the rows {', '.join(wrong)} of {path}")
    return [
        Label(int(r["id"]), int(r["seed"]), r["prompt"], r["caption"], r["label"]) for r in rows
    ]


def write_images(images: Sequence[Pixels], path: Path) -> None:
    """Keeps images of ``SIDE`` by ``SIDE`` pixels in one PNG, row by row."""
    rows = -(-len(images) // COLUMNS)
    canvas = np.zeros((rows * SIDE, COLUMNS * SIDE, 3), np.uint8)
    for number, image in enumerate(images):
        top, left = number // COLUMNS * SIDE, number % COLUMNS * SIDE
        canvas[top : top + SIDE, left : left + SIDE] = image
    Image.fromarray(canvas).save(path, optimize=True)


def read_images(path: Path, count: int) -> list[Pixels]:
    """The first ``count`` images of a file of ``write_images``."""
    with Image.open(path) as file:
        canvas = np.asarray(file.convert("RGB"))
    corners = ((n // COLUMNS * SIDE, n % COLUMNS * SIDE) for n in range(count))
    return [canvas[top : top + SIDE, left : left + SIDE] for top, left in corners]


def write_sheets(labels: Sequence[Label], images: Sequence[Pixels], folder: Path) -> list[Path]:
    """Lays the images out on sheets ``sheet-01.png``…, each with its id and caption."""
    tiles = [
        Tile(image, (Remark(f"{label.id}", FAINT), Remark(label.caption)))
        for label, image in zip(labels, images, strict=True)
    ]
    paths = []
    for start in range(0, len(tiles), SHEET):
        path = folder / f"sheet-{start // SHEET + 1:02}.png"
        some = tiles[start : start + SHEET]
        contact_sheet(some, "Does each image show what its caption says?").save(path)
        paths.append(path)
    return paths


def compare(labels: Sequence[Label], images: Sequence[Pixels]) -> list[Comparison]:
    """Asks the oracle about the images that were labelled."""
    return [
        Comparison(label, judge(image, label.caption))
        for label, image in zip(labels, images, strict=True)
        if label.label
    ]


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


def draw(labels: Sequence[Label], weights: Path, threads: int) -> list[Pixels]:
    """Makes the images with the parameters of the profile ``mini`` and the weights of a folder."""
    section = load_profile("mini").section("generation")
    section["pipeline"] |= {
        "model": str(weights / "mini-sdxl"),
        "refiner": str(weights / "mini-sdxl-refiner"),
        "threads": threads,
    }
    settings = GenerationSettings(**section)
    pipelines = load_pipelines(settings)
    requests = [ImageRequest(label.prompt, label.seed, settings.sampling) for label in labels]
    batches = [requests[i : i + BATCH] for i in range(0, len(requests), BATCH)]
    return [sample.pixels for batch in batches for sample in pipelines.generate(batch, SILENT)]


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    drawing = modes.add_parser("draw", help="make images for a person to label")
    drawing.add_argument("--weights", type=Path, required=True)
    drawing.add_argument("--count", type=int, default=200)
    drawing.add_argument("--seed", type=int, default=11)
    drawing.add_argument("--threads", type=int, default=2)
    comparing = modes.add_parser("compare", help="compare labels with the oracle")
    for mode in (drawing, comparing):
        mode.add_argument("folder", type=Path)
    args = parser.parse_args()
    file, pictures = args.folder / "labels.csv", args.folder / "images.png"
    if args.mode == "draw":
        args.folder.mkdir(parents=True, exist_ok=True)
        if file.exists():
            sys.exit(f"{file} exists already and may hold labels: choose another folder")
        labels = choose(args.seed, args.count)
        images = draw(labels, args.weights, args.threads)
        write_images(images, pictures)
        write_labels(labels, file)
        print(*write_sheets(labels, images, args.folder), sep="\n")
    else:
        labels = read_labels(file)
        print(report(compare(labels, read_images(pictures, len(labels)))))


if __name__ == "__main__":
    main()
