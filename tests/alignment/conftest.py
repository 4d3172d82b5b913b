"""A real store with captions and images, the bundled CLIP model, and an engine without a model."""

import hashlib
import threading
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from synthvlm.alignment.scorer import ScoreParameters, Scorer
from synthvlm.alignment.ssim import KERNEL
from synthvlm.alignment.weighted import Range, Weighting
from synthvlm.model_folders import resolve_model
from synthvlm.storage import file_location, open_store
from tests import image_sets
from tests.caption_sets import commit_caption_set

THREADS = 2
MULTIPLE = 4
PARAMETERS = ScoreParameters(
    "A photo depicts ", 16, Weighting(0.5, Range(0.0, 0.5), Range(0.0, 1.0))
)


class Hasher:
    """Embeds by digest, counts what it embeds, and fails when two threads use it at once."""

    name = "hasher"
    model_digest = f"sha256:{'1' * 64}"
    numerics: Mapping[str, str | int] = {"executor": "hasher"}

    def __init__(self, before_batch=lambda: None) -> None:
        self.images = 0
        self.texts: list[str] = []
        self._before_batch = before_batch
        self._lock = threading.Lock()

    def preprocess(self, image):
        return np.asarray(image.resize((4, 4)), np.float32).transpose(2, 0, 1)

    def embed_images(self, inputs):
        assert self._lock.acquire(blocking=False), "two threads use the engine"
        try:
            self._before_batch()
            self.images += len(inputs)
            return np.stack([_direction(one.tobytes()) for one in inputs])
        finally:
            self._lock.release()

    def embed_texts(self, texts: Sequence[str]):
        self.texts += texts
        return np.stack([_direction(one.encode()) for one in texts])


def _direction(data: bytes):
    values = np.frombuffer(hashlib.sha256(data).digest(), np.uint8).astype(np.float32)
    return values / np.linalg.norm(values)


@pytest.fixture
def hasher():
    """The class: tests make their own."""
    return Hasher


@pytest.fixture
def parameters():
    return PARAMETERS


@pytest.fixture
def scorer_of():
    """Makes scorers and closes them at the end."""
    made = []

    def make(engine, batch_size=4, similarity=KERNEL):
        made.append(Scorer(engine, batch_size, THREADS, similarity))
        return made[-1]

    yield make
    for scorer in made:
        scorer.close()


@pytest.fixture(scope="session")
def engine():
    """The bundled model."""
    from synthvlm.alignment.engines import open_clip

    return open_clip.load(
        resolve_model("bundled:mini-clip"), device="cpu", threads=THREADS, batch_multiple=MULTIPLE
    )


@pytest.fixture(scope="session")
def picture():
    """An encoded image, different for each seed."""
    return image_sets.picture


@pytest.fixture
def image_set():
    """Commits an ImageSet shard of encoded images, by turns for each caption of a shard."""
    return image_sets.commit_image_set


@pytest.fixture
def store(tmp_path):
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture
def caption_set():
    """Commits a CaptionSet shard of the given texts."""
    return commit_caption_set
