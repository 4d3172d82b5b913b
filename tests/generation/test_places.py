"""Pipelines that compute otherwise at some places of a batch, as those of a GPU do."""

import io
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
import structlog
import torch
from PIL import Image

from synthvlm.errors import OperationCancelled
from synthvlm.generation.diffusion.pipelines import Pipelines
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.warm_up import warm_up
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import IMAGES

PLACES = 8
SAMPLING = Sampling(1, 1.0, 1.0, 8, 8)


class _NoNetworks:
    """A pipeline without networks: ``Uneven`` never calls it."""

    tokenizer = tokenizer_2 = None

    def set_progress_bar_config(self, **options):
        pass


class Uneven(Pipelines):
    """The real pipelines around noise from the seed, brighter by a level at the last places.

    Attributes:
        runs: Number of images of each batch that was computed.
    """

    def __init__(self, odd=1, reserved=1, neighbours=False, on_run=lambda: None):
        settings = PipelineSettings(
            reserved_places=reserved, batch_multiple=PLACES, pad_batches=True
        )
        super().__init__(_NoNetworks(), None, settings)
        self._odd, self._neighbours, self._on_run = odd, neighbours, on_run
        self.runs = []

    def _run(self, batch, reporter):
        assert len(batch) == PLACES
        self._on_run()
        reporter.check()
        self.runs.append(len({(request.prompt, request.seed) for request in batch}))
        rows = [np.random.default_rng([one.seed, len(one.prompt)]) for one in batch]
        levels = torch.stack([torch.from_numpy(row.integers(0, 200, (3, 8, 8))) for row in rows])
        for place in range(PLACES - self._odd, PLACES):
            levels[place] += place
        if self._neighbours:
            levels += batch[0].seed % 2
        return levels / 255


def request(number):
    return ImageRequest(f"a scene with {number} circles", number, SAMPLING)


def pixels(samples):
    return [sample.pixels.tobytes() for sample in samples]


@pytest.fixture(scope="module")
def alone():
    """Each image by itself."""
    pipelines = Uneven()
    return [pixels(pipelines.generate([request(number)], SILENT))[0] for number in range(64)]


@pytest.mark.parametrize("odd", [1, 3, 7])
def test_an_image_is_the_same_in_any_batch(odd):
    pipelines = Uneven(odd, reserved=odd)
    alone = [pixels(pipelines.generate([request(number)], SILENT))[0] for number in range(40)]
    chance = random.Random(0)
    for size in range(1, PLACES + 1):
        numbers = chance.sample(range(40), size)
        made = pixels(pipelines.generate([request(number) for number in numbers], SILENT))
        assert made == [alone[number] for number in numbers]


def test_without_reserved_places_it_is_not(alone):
    made = pixels(Uneven(reserved=0).generate([request(number) for number in range(8)], SILENT))
    assert [one == other for one, other in zip(made, alone, strict=False)].count(False) > 0


def test_item_calls_share_batches_and_give_the_same_images(alone):
    pipelines = Uneven(on_run=lambda: time.sleep(0.02))
    with closing(DiffusersEngine(pipelines, PLACES, 0.05)) as engine:
        with ThreadPoolExecutor(32) as pool:
            made = list(pool.map(lambda n: engine.image(request(n), SILENT), range(64)))
        assert pixels(made) == alone
    assert len(pipelines.runs) < 32


def made_shard(engine, store, captions):
    wanted = ImageSetRequest(captions, 1, 7, SAMPLING, ImageFormat.PNG)
    return open_shard(store, ImageSetMaker(engine).make(store, wanted, SILENT).ref)


def test_images_of_a_shard_are_those_made_alone_in_batches_that_are_nearly_full(store, caption_set):
    pipelines = Uneven()
    captions = caption_set(store, [f"a scene with {n} circles" for n in range(600)])
    with closing(DiffusersEngine(pipelines, PLACES, 0.0)) as engine:
        shard = made_shard(engine, store, captions)
    assert sum(pipelines.runs) >= 600
    assert 600 / (PLACES * len(pipelines.runs)) > 0.93
    for number, row in enumerate(shard.table("images.parquet", IMAGES).to_pylist()):
        data = store.read_range(shard.path("images.tar"), row["offset"], row["size"])
        wanted = ImageRequest(f"a scene with {number} circles", row["seed"], SAMPLING)
        (sample,) = pipelines.generate([wanted], SILENT)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), sample.pixels)


def test_a_shard_that_was_stopped_anywhere_has_the_same_bytes(store, caption_set, tmp_path):
    texts = [f"a scene with {n} circles" for n in range(60)]
    stops = iter([False, True, False, False, True, True])

    def stop():
        if next(stops, False):
            raise OperationCancelled("gone")

    pipelines = Uneven(on_run=stop)
    captions = caption_set(store, texts)
    with closing(DiffusersEngine(pipelines, PLACES, 0.0)) as engine:
        for _ in range(3):
            with pytest.raises(OperationCancelled):
                made_shard(engine, store, captions)
        resumed = made_shard(engine, store, captions).ref
    assert sum(pipelines.runs) == 60  # none was made twice
    other = open_store(file_location(tmp_path / "other"))
    with closing(DiffusersEngine(Uneven(), PLACES, 0.0)) as engine:
        assert made_shard(engine, other, caption_set(other, texts)).ref == resumed


@pytest.mark.parametrize("odd", [0, 1, 2, 7])
def test_the_check_at_start_names_the_places_to_reserve(odd):
    for reserved in {0, odd}:
        engine = DiffusersEngine(Uneven(odd, reserved), PLACES, 0.0)
        with closing(engine), structlog.testing.capture_logs() as logs:
            difference = warm_up(engine, SAMPLING)
        if reserved == odd:
            assert (difference, logs) == (0, [])
        else:
            assert difference > 0
            assert f"reserved_places to {odd}," in logs[0]["event"]


@pytest.mark.parametrize("reserved", [0, 1])
def test_the_check_at_start_finds_what_neighbours_change(reserved):
    engine = DiffusersEngine(Uneven(reserved, reserved, neighbours=True), PLACES, 0.0)
    with closing(engine), structlog.testing.capture_logs() as logs:
        assert warm_up(engine, SAMPLING) == 1
    assert "pad_batches" in logs[0]["event"]
