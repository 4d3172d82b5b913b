"""``python -m synthvlm.scenes``: caption pools and contact sheets of the scene world."""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from synthvlm.scenes.captions import sample_captions
from synthvlm.scenes.render import render
from synthvlm.scenes.world import sample_scene

COLUMNS = 8


def write_captions(seed: int, count: int, flawed: float, out: Path) -> None:
    """Writes a caption pool as JSON lines of ``id`` and ``caption``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for caption in sample_captions(seed, count, flawed):
            line = {"id": caption.id, "caption": caption.caption}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_sheet(seed: int, count: int, out: Path) -> None:
    """Writes a contact sheet of ``count`` scenes, eight in a row."""
    rng = random.Random(seed)
    blank = np.full((64, 64, 3), 255, np.uint8)
    tiles = [render(sample_scene(rng)) for _ in range(count)]
    tiles += [blank] * (-count % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(out)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m synthvlm.scenes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("captions", "write a caption pool"), ("sheet", "draw scenes")):
        command = commands.add_parser(name, help=about)
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--count", type=int, default=64)
        command.add_argument("--out", type=Path, required=True)
        if name == "captions":
            command.add_argument("--flawed", type=float, default=0.15)
    args = parser.parse_args()
    if args.command == "captions":
        write_captions(args.seed, args.count, args.flawed, args.out)
    else:
        write_sheet(args.seed, args.count, args.out)


if __name__ == "__main__":
    main()
