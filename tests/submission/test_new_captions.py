"""A recurring run makes only what is new: its requests, carried out by the services, twice."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest

from synthvlm.caption import service as caption_service
from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.generation import service as generation_service
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest, Sample
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.progress import Reporter
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.serving.testing import running
from synthvlm_pipelines.requests import loop_items, stage_request, to_json
from tests.submission.conftest import MODEL
from tests.submission.kfp_server import Kfp

CAPTIONS = [f"a photograph of {number} red apples on a wooden table" for number in range(2, 12)]
LATER = [f"a drawing of {number} blue boats near the old harbour" for number in range(2, 6)]


class Painter:
    """Stands for the models: paints noise from the seed, and notes what it painted."""

    model_digest = MODEL
    numerics = {"executor": "painter"}  # noqa: RUF012

    def __init__(self) -> None:
        self.painted: list[str] = []

    def generate(self, requests: Sequence[ImageRequest], _reporter: Reporter) -> list[Sample]:
        self.painted += [one.prompt for one in requests]
        return [self._paint(one) for one in requests]

    def _paint(self, request: ImageRequest) -> Sample:
        shape = (request.sampling.height, request.sampling.width, 3)
        noise = np.random.default_rng(request.seed).integers(0, 256, shape, dtype=np.uint8)
        return Sample(noise, None, False)


@contextlib.asynccontextmanager
async def channels(
    folder: Path, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[grpc.aio.Channel, grpc.aio.Channel]]:
    """The caption and the generation service."""
    monkeypatch.setattr(generation_service, "load_pipelines", lambda _settings: painter)
    roots = [f"file://{folder}/store"]
    generation = GenerationSettings(
        store_roots=roots,
        listen=f"unix:{folder}/generation.sock",
        width=32,
        height=32,
        max_pixels=64 * 64,
        batch_size=4,
        reuse=ReuseSettings(database=f"sqlite:///{folder}/reuse.sqlite"),
    )
    captions = CaptionSettings(store_roots=roots, listen=f"unix:{folder}/caption.sock")
    async with (
        running(caption_service.SERVICE, captions) as first,
        running(generation_service.SERVICE, generation) as second,
    ):
        yield first, second


async def last_of(call):
    return [message async for message in call][-1].result


async def carried_out(
    arguments: dict[str, str], captions: grpc.aio.Channel, generation: grpc.aio.Channel
) -> tuple[caption_pb2.ImportResult, list[generation_pb2.GenerateResult]]:
    """The steps of a run up to its images, as the compiled pipeline chains them."""
    caption_stub = caption_pb2_grpc.CaptionServiceStub(captions)
    image_stub = generation_pb2_grpc.GenerationServiceStub(generation)
    imported = await last_of(
        caption_stub.ImportCaptions(
            stage_request(arguments["import_captions_request"], caption_pb2.ImportCaptionsRequest)
        )
    )
    made = []
    for item in loop_items(imported.shards):
        curated = await last_of(
            caption_stub.CurateShard(
                stage_request(
                    arguments["curate_request"], caption_pb2.CurateShardRequest, pool=item
                )
            )
        )
        made.append(
            await last_of(
                image_stub.GenerateShard(
                    stage_request(
                        arguments["generate_request"],
                        generation_pb2.GenerateShardRequest,
                        caption_set=to_json(curated),
                    )
                )
            )
        )
    return imported, made


async def test_a_file_more_in_the_folder_is_all_that_the_next_run_makes(
    submit: Callable[..., int],
    kfp: Kfp,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = store / "incoming"
    folder.mkdir()
    (folder / "2026-01-01.txt").write_text("\n".join(CAPTIONS[:9]))
    options = ("--every", "@daily", "--repeat", "2", "--shard-size", "3")
    assert submit(*options, captions=f"file://{folder}/") == 0
    arguments = kfp.recurring_runs[0]["runtime_config"]["parameters"]
    painter = Painter()
    async with channels(tmp_path, painter, monkeypatch) as (captions, generation):
        painter.painted.clear()  # of what warmed it up
        first, _ = await carried_out(arguments, captions, generation)
        assert sorted(set(painter.painted)) == sorted(CAPTIONS[:9])
        assert len(painter.painted) == 18

        painter.painted.clear()
        again, _ = await carried_out(arguments, captions, generation)
        assert (again, painter.painted) == (first, []), "nothing is new"

        # The files' order decides the shards: all captions of this one come before the others.
        (folder / "2025-12-31.txt").write_text("\n".join([*LATER, CAPTIONS[0]]))
        second, made = await carried_out(arguments, captions, generation)
        assert sorted(set(painter.painted)) == sorted(LATER)
        assert len(painter.painted) == 2 * len(LATER)
        assert second.read == 14
        assert sum(one.generated for one in made) == 2 * 13
