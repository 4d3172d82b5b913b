"""What the index of known images and scores costs, and what it gives back.

    python benchmarks/reuse/known_images.py [--images 1000000] [--database URL] [--made 2000]

Fills an index with images and scores, looks some up, then makes a shard of new images and their
scores, and counts the seconds that pass in the index. Images are noise by an engine that does
nothing; the scores are those of the bundled model. At the end the same shard is made with one
caption more.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.score_set import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.scorer import ScoreParameters, Scorer
from synthvlm.alignment.service import load_engine
from synthvlm.alignment.weighted import Range, Weighting
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import ImageRequest, Sample, Sampling
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.progress import SILENT, Reporter
from synthvlm.reuse.index import ImageIndex, ScoreIndex, open_index
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.storage import Store, file_location, open_store, sha256_digest
from synthvlm.storage.batch_stage import LOOK_UP
from synthvlm.storage.made import NOTHING, Blob, Made, MadeIndex, identity_of
from tests.caption_sets import commit_caption_set

SHARD = 1000
SAMPLING = Sampling(1, 3.0, 1.0, 64, 64)
SECONDS_AN_IMAGE = {
    "the bundled model, 2 cores, 0.2 s an image": 0.2,
    "SDXL, 60 steps, H100, 1.5 s an image": 1 / 0.68,
}


class Still:
    """An engine whose images cost nothing."""

    name = "still"
    model_digest = sha256_digest(b"still")
    numerics: Mapping[str, str | int] = {"executor": "still"}
    batch_size = 16

    def __init__(self) -> None:
        self._noise = np.random.default_rng(0)

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """The image."""
        return self.batch([request], reporter)[0]

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Noise for each."""
        reporter.check()
        shape = (len(requests), 64, 64, 3)
        return [Sample(pixels) for pixels in self._noise.integers(0, 256, shape, np.uint8)]

    def close(self) -> None:
        """Nothing is open."""


def known(count: int) -> Iterator[dict[bytes, Made]]:
    """Images of as many shards as they fill."""
    values = {"width": 1024, "height": 1024, "truncated": False, "defect": None}
    for start in range(0, count, SHARD):
        path = f"images/{identity_of('shard', start).hex()[:32]}/images.tar"
        yield {
            identity_of("known", n): Made(
                values, Blob(path, 600_000 * (n - start), 590_000, sha256_digest(str(n).encode()))
            )
            for n in range(start, min(start + SHARD, count))
        }


def fill(index: MadeIndex, records: Iterable[dict[bytes, Made]]) -> None:
    """Enters records, some at a time."""
    for batch in records:
        index.enter(batch)


def look_ups(index: MadeIndex, windows: Sequence[Sequence[bytes]]) -> float:
    """Identities looked up in a second."""
    began = time.perf_counter()
    for window in windows:
        index.find(window)
    return sum(map(len, windows)) / (time.perf_counter() - began)


def seconds(make: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    make()
    return time.perf_counter() - began


def megabytes() -> float:
    """Memory that this process has now, in MiB."""
    return float(psutil.Process().memory_info().rss / 2**20)


class Timed:
    """An index that counts the seconds that pass in it."""

    def __init__(self, index: MadeIndex) -> None:
        self._index = index
        self.seconds = 0.0

    def find(self, identities: Sequence[bytes]) -> dict[bytes, Made]:
        """As the index."""
        began = time.perf_counter()
        found = self._index.find(identities)
        self.seconds += time.perf_counter() - began
        return found

    def enter(self, made: Mapping[bytes, Made]) -> None:
        """As the index."""
        self.seconds += seconds(lambda: self._index.enter(made))

    def close(self) -> None:
        """The owner closes the index."""


@dataclass(frozen=True)
class Chain:
    """An ImageSet and its ScoreSet, the seconds that each took, and those of them in the index."""

    images: float
    images_index: float
    scores: float
    scores_index: float


def make(store: Store, images: MadeIndex, scores: MadeIndex, scorer: Scorer, count: int) -> Chain:
    """Makes a shard of images, and scores it."""
    in_images, in_scores = Timed(images), Timed(scores)
    captions = commit_caption_set(store, [f"a scene with {n} circles" for n in range(count)])
    began = time.perf_counter()
    made = ImageSetMaker(Still(), in_images).make(
        store, ImageSetRequest(captions, 1, 0, SAMPLING, ImageFormat.JPEG), SILENT
    )
    generated = time.perf_counter()
    parameters = ScoreParameters("A photo depicts ", 336, Weighting(0.5, Range(0, 1), Range(0, 1)))
    ScoreSetMaker(scorer, in_scores).make(
        store, ScoreSetRequest(captions, made.ref, parameters), SILENT
    )
    ended = time.perf_counter()
    return Chain(generated - began, in_images.seconds, ended - generated, in_scores.seconds)


def scores_of(count: int) -> Iterator[dict[bytes, Made]]:
    """Scores, some at a time."""
    values = {"clip_score": 0.25, "ssim_score": 0.75, "reason": None}
    for start in range(0, count, SHARD):
        numbers = range(start, min(start + SHARD, count))
        yield {identity_of("known", n): Made(values) for n in numbers}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--made", type=int, default=2000)
    parser.add_argument("--database", help="PostgreSQL; by default a SQLite file of its own")
    parsed = parser.parse_args()
    engine = load_engine(AlignmentSettings())
    scorer = Scorer(engine, 64, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ReuseSettings(database=parsed.database or f"sqlite:///{folder}/index.sqlite")
        images, scores = open_index(ImageIndex, settings), open_index(ScoreIndex, settings)
        store = open_store(file_location(folder / "warm"))
        make(store, NOTHING, NOTHING, scorer, 64)
        before = megabytes()
        for noun, index, records in (
            ("images", images, known(parsed.images)),
            ("scores", scores, scores_of(parsed.images)),
        ):
            old = size_of(folder)
            took = seconds(partial(fill, index, records))
            print(f"{noun} entered: {parsed.images:,}, {parsed.images / took:,.0f}/s", end="")
            size = size_of(folder) - old
            print(f", {size / parsed.images:,.0f} bytes each" if size else "", flush=True)
            chance = random.Random(0)
            scattered = [
                [identity_of("known", chance.randrange(parsed.images)) for _ in range(LOOK_UP)]
                for _ in range(50)
            ]
            unknown = [[identity_of("new", w, n) for n in range(LOOK_UP)] for w in range(50)]
            print(f"  looked up, known: {look_ups(index, scattered):,.0f}/s")
            print(f"  looked up, unknown: {look_ups(index, unknown):,.0f}/s")
        print(f"memory added by all this: {megabytes() - before:,.0f} MiB", flush=True)

        store = open_store(file_location(folder / "store"))
        made = make(store, images, scores, scorer, parsed.made)
        an_image = made.images_index / parsed.made
        print(f"a run with nothing to reuse, {parsed.made:,} images:")
        print(f"  index of images: {1000 * an_image:.2f} ms an image")
        for model, one in SECONDS_AN_IMAGE.items():
            print(f"    {100 * an_image / one:.2f}% of {model}")
        print(f"  index of scores: {1000 * made.scores_index / parsed.made:.2f} ms a pair")
        print(f"    {100 * made.scores_index / made.scores:.2f}% of scoring with the bundled model")
        again = make(store, images, scores, scorer, parsed.made + 1)
        print("the same and one more:")
        print(f"  images: {parsed.made / again.images:,.0f}/s")
        print(f"  scores: {parsed.made / again.scores:,.0f}/s")
        images.close()
        scores.close()
    scorer.close()


def size_of(folder: Path) -> int:
    """Bytes of the SQLite file, without what it is about to take in."""
    return sum(file.stat().st_size for file in folder.glob("index.sqlite"))


if __name__ == "__main__":
    main()
