"""Files of the scene world: caption pools, and contact sheets of scenes with their captions."""

import json
import random
from pathlib import Path

from synthvlm.scenes.captions import describe, sample_captions
from synthvlm.scenes.render import render
from synthvlm.scenes.sheet import Remark, Tile, contact_sheet
from synthvlm.scenes.world import sample_scene


def write_captions(seed: int, count: int, flawed: float, out: Path) -> None:
    """Writes a caption pool as JSON lines of ``id`` and ``caption``.

    Args:
        seed: Seed of all random choices.
        count: How many captions.
        flawed: Share of captions, on average, that are bad on purpose.
        out: The file; its folder is created.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for caption in sample_captions(seed, count, flawed):
            line = {"id": caption.id, "caption": caption.caption}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_sheet(seed: int, count: int, out: Path) -> None:
    """Writes a contact sheet of ``count`` scenes, each with a true caption.

    Args:
        seed: Seed of all random choices.
        count: How many scenes, at least one.
        out: The image file; its extension decides the format, and its folder is created.

    Raises:
        ValueError: ``count`` is 0, or the extension is not that of an image format.
    """
    scenes, words = random.Random(seed), random.Random(f"captions {seed}")
    tiles = []
    for _ in range(count):
        scene = sample_scene(scenes)
        tiles.append(Tile(render(scene), (Remark(describe(scene, words)),)))
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(tiles).save(out)
