"""Engines that compute next to nothing: they stand in for the models, and for nothing else.

Services, store, index, catalogue and pipeline around them are real, and so are the images: small,
different from each other, encoded, marked, decoded and compared like any others.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from synthvlm.alignment.engine import Floats
from synthvlm.generation.batching import Batcher
from synthvlm.generation.engine import ImageRequest, Sample
from synthvlm.progress import Reporter
from synthvlm.storage import sha256_digest
from synthvlm.storage.batch_places import Places

_INPUT = 8
_DIMENSION = 16


class SleepingGenerator(Batcher):
    """Sleeps for each image, then draws two colours by its seed; one batch at a time, as a GPU.

    Args:
        seconds: Sleep for one image.
        batch_size: Maximum number of images in a batch.
    """

    name = "sleeping"
    model_digest = sha256_digest(b"a generator that sleeps")
    numerics: ClassVar[dict[str, str | int]] = {"simulated": 1}

    def __init__(self, seconds: float, batch_size: int) -> None:
        super().__init__(self._draw, Places(batch_size), wait_seconds=0.0)
        self._seconds = seconds

    def _draw(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        time.sleep(self._seconds * len(requests))
        reporter.check()
        return [Sample(_picture(request)) for request in requests]


def _picture(request: ImageRequest) -> npt.NDArray[np.uint8]:
    sampling = request.sampling
    colours = np.frombuffer(hashlib.sha256(f"{request.seed}".encode()).digest(), np.uint8)
    pixels = np.empty((sampling.height, sampling.width, 3), np.uint8)
    pixels[:] = colours[:3]
    left, top = colours[6] % (sampling.width // 2), colours[7] % (sampling.height // 2)
    pixels[top : top + sampling.height // 2, left : left + sampling.width // 2] = colours[3:6]
    return pixels


class CheapEmbedder:
    """Embeds an image by its colours and a text by its digest: scores without a meaning."""

    name = "cheap"
    model_digest = sha256_digest(b"an embedder by colours and digests")
    numerics: ClassVar[dict[str, str | int]] = {"simulated": 1}

    def preprocess(self, image: Image.Image) -> Floats:
        """The image in 8 by 8 pixels, as floats of shape (3, 8, 8)."""
        small = np.asarray(image.resize((_INPUT, _INPUT), Image.Resampling.BOX), np.float32)
        return np.ascontiguousarray(small.transpose(2, 0, 1) / np.float32(255))

    def embed_images(self, inputs: Sequence[Floats]) -> Floats:
        """Unit vectors, by the pixels."""
        flat = np.stack(inputs).reshape(len(inputs), -1)
        return _unit(flat[:, : _DIMENSION * 12].reshape(len(inputs), _DIMENSION, -1).mean(axis=2))

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, by the text's digest."""
        digests = [hashlib.sha256(text.encode()).digest()[:_DIMENSION] for text in texts]
        return _unit(np.array([list(digest) for digest in digests], np.float32))


def _unit(rows: Floats) -> Floats:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    unit: Floats = (rows / lengths).astype(np.float32)
    return unit
