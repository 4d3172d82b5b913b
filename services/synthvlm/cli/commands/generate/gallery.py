"""Images of one prompt in a folder, each judged by the scene world's oracle, and their sheet."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synthvlm.client import GenerationClient
from synthvlm.generation.v1 import generation_pb2
from synthvlm.scenes.oracle import Verdict, judge
from synthvlm.scenes.sheet import BAD, FAINT, GOOD, Remark, Tile, contact_sheet

SHEET = "sheet.png"
"""Name of the contact sheet in the folder of the images."""

WORDS = {True: "true", False: "false", None: "no verdict"}
"""The words for verdicts."""

_AT_ONCE = 4
"""Images requested at once: batches are padded to a multiple of it, and the bar still moves."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image that was made: its encoded bytes, their file, and the oracle's verdict."""

    seed: int
    file: Path
    data: bytes
    verdict: Verdict
    model_digest: str


def make_pictures(
    client: GenerationClient,
    request: generation_pb2.GenerateImageRequest,
    seeds: Sequence[int],
    folder: Path,
    advance: Callable[[], None],
) -> list[Picture]:
    """Makes and judges one image per seed, as numbered PNG files.

    Args:
        client: Makes the images.
        request: The request for all of them, without a seed; its format is PNG.
        seeds: One for each image.
        folder: Where the files go; it exists.
        advance: Called after every image.

    Raises:
        DomainError: The service refused an image.
    """
    digits = max(2, len(str(len(seeds))))

    def make(numbered: tuple[int, int]) -> Picture:
        number, seed = numbered
        wanted = generation_pb2.GenerateImageRequest()
        wanted.CopyFrom(request)
        wanted.seed = seed
        answer = client.generate_image(wanted, timeout=None)
        file = folder / f"{number:0{digits}}.png"
        file.write_bytes(answer.image)
        verdict = judge(pixels_of(answer.image), request.prompt)
        return Picture(seed, file, answer.image, verdict, answer.model_digest)

    pictures = []
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for picture in pool.map(make, enumerate(seeds, start=1)):
            pictures.append(picture)
            advance()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return pictures


def write_sheet(prompt: str, pictures: Sequence[Picture], folder: Path) -> Path:
    """Writes the contact sheet: every image with its number, seed, verdict and reasons."""
    tiles = [Tile(pixels_of(picture.data), _remarks(picture)) for picture in pictures]
    path = folder / SHEET
    contact_sheet(tiles, prompt).save(path)
    return path


def pixels_of(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """An encoded image as uint8 RGB of shape (height, width, 3)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@contextmanager
def bar(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar of images; yields a function that advances it by one."""
    columns = (TextColumn("images"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _remarks(picture: Picture) -> tuple[Remark, ...]:
    verdict = picture.verdict
    origin = Remark(f"{picture.file.stem}   seed {picture.seed}", FAINT)
    if verdict.true is None:
        return (origin, Remark(WORDS[None], FAINT))
    colour = GOOD if verdict.true else BAD
    judged = Remark(f"{WORDS[verdict.true]}, confidence {verdict.confidence:.2f}", colour)
    return (origin, judged, *(Remark(reason) for reason in verdict.reasons))
