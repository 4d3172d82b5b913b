"""A real store, real captions, the bundled pipelines, and ones without a model."""

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.engine import BLANK, ImageRequest, Sample
from synthvlm.generation.loading import load_pipelines
from synthvlm.progress import Reporter
from synthvlm.storage import file_location, open_store
from tests.caption_sets import commit_caption_set

prepare_cpu()  # the tests load torch


class Painter:
    """Stands for the pipelines: paints noise from the seed, step by step, and keeps a diary.

    Images whose prompt holds ``blank`` are defective, prompts over 77 words are truncated.
    """

    model_digest = f"sha256:{'1' * 64}"
    numerics: Mapping[str, str | int] = {"executor": "painter"}

    def __init__(self, on_step: Callable[[], None] = lambda: None) -> None:
        self.batches: list[list[ImageRequest]] = []
        self.steps = 0
        self.threads: set[str] = set()
        self.on_step = on_step
        self._lock = threading.Lock()

    def generate(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        # What the callers of pipelines promise them.
        assert self._lock.acquire(blocking=False), "two threads call at the same time"
        try:
            assert len({request.sampling for request in requests}) == 1
            self.threads.add(threading.current_thread().name)
            self.batches.append(list(requests))
            for _ in range(requests[0].sampling.steps):
                self.on_step()
                self.steps += 1
                reporter.check()
            return [_paint(request) for request in requests]
        finally:
            self._lock.release()


def _paint(request: ImageRequest) -> Sample:
    shape = (request.sampling.height, request.sampling.width, 3)
    truncated = len(request.prompt.split()) > 77
    if "blank" in request.prompt:
        return Sample(np.zeros(shape, np.uint8), BLANK, truncated)
    rng = np.random.default_rng([request.seed, len(request.prompt)])
    return Sample(rng.integers(0, 256, shape, dtype=np.uint8), None, truncated)


@pytest.fixture
def painter():
    """The class: tests make their own."""
    return Painter


@pytest.fixture(scope="session")
def pipelines():
    """The bundled base and refiner."""
    return load_pipelines(GenerationSettings(pipeline={"refiner": "bundled:mini-sdxl-refiner"}))


@pytest.fixture
def store(tmp_path):
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture
def caption_set():
    """Commits a CaptionSet shard of the given texts."""
    return commit_caption_set
