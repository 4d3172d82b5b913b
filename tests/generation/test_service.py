"""The whole service through gRPC, with the bundled models in small."""

import asyncio
import contextlib
import io
import threading
import time

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from PIL import Image

from synthvlm.generation import service as service_module
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.encoding import read_mark
from synthvlm.generation.seeds import image_seed
from synthvlm.generation.service import SERVICE
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc
from synthvlm.serving.testing import running
from synthvlm.storage import open_shard, open_store, parse_location, sha256_digest
from synthvlm.storage.ledger import run_usage
from synthvlm.storage.protos import ref_from_proto, ref_to_proto
from synthvlm.storage.schemas import IMAGES
from synthvlm.storage.v1 import shard_pb2

STEPS = 3
TEXTS = [f"a scene with {n} circles" for n in range(6)]


@pytest.fixture
def serve(pipelines, monkeypatch, tmp_path):
    """Serves given pipelines, by default the bundled ones, loaded once for all tests."""

    @contextlib.asynccontextmanager
    async def start(served=pipelines, **changes):
        monkeypatch.setattr(service_module, "load_pipelines", lambda settings: served)
        values = {
            "pipeline": {"refiner": "bundled:mini-sdxl-refiner"},
            "batch_size": 4,
            "steps": STEPS,
            "guidance_scale": 3.0,
            "high_noise_fraction": 0.8,
            "width": 32,
            "height": 32,
            "max_pixels": 64 * 64,
            "store_roots": [f"file://{tmp_path}"],
            "listen": f"unix:{tmp_path}/generation.sock",
        }
        settings = GenerationSettings(**{**values, **changes})
        async with running(SERVICE, settings) as channel:
            yield generation_pb2_grpc.GenerationServiceStub(channel)

    return start


def details_of(error):
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    found = {}
    for detail in status.details:
        for kind in (error_details_pb2.BadRequest, error_details_pb2.ErrorInfo):
            if detail.Is(kind.DESCRIPTOR):
                found[kind.__name__] = kind()
                detail.Unpack(found[kind.__name__])
    return found


async def result_of(call):
    messages = [message async for message in call]
    assert all(not message.HasField("result") for message in messages[:-1])
    return messages[-1]


def shard_request(store, captions, **fields):
    return pb.GenerateShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri), caption_set=ref_to_proto(captions), **fields
    )


async def test_model_images_and_shards_agree(serve, pipelines, store, caption_set):
    captions = caption_set(store, TEXTS)
    async with serve() as stub:
        model = await stub.GetModel(pb.GetModelRequest())
        assert (model.profile, model.engine, model.batch_size) == ("mini", "diffusers", 4)
        assert model.model_digest == pipelines.model_digest
        assert model.parameters.steps == STEPS

        request = shard_request(
            store, captions, run_seed=5, repeats=2, model_digest=model.model_digest
        )
        last = await result_of(stub.GenerateShard(request))
        assert (last.progress.done, last.progress.total) == (12, 12)
        assert last.result.generated == 12
        assert not last.result.failed
        again = await result_of(stub.GenerateShard(request))
        assert again.result == last.result
        assert again.progress.resumed == 12

        shard = open_shard(store, ref_from_proto(last.result.image_set))
        rows = shard.table("images.parquet", IMAGES).to_pylist()
        # Any image of the shard is made again alone, from its caption and seed, to the last byte.
        answers = await asyncio.gather(
            *(
                stub.GenerateImage(
                    pb.GenerateImageRequest(
                        prompt=TEXTS[int(row["caption_id"][1:])],
                        seed=image_seed(row["caption_id"], row["repeat"], 5),
                        parameters=model.parameters,
                    )
                )
                for row in rows[:5]
            )
        )
        for row, answer in zip(rows, answers, strict=False):
            assert answer.digest == row["sha256"]
            assert answer.parameters == model.parameters


async def test_images_of_another_shard_are_taken_from_there(serve, store, caption_set, tmp_path):
    reuse = {"database": f"sqlite:///{tmp_path}/reuse.sqlite"}
    results = []
    for texts in (TEXTS, [*TEXTS, "one more"]):
        async with serve(reuse=reuse) as stub:  # each time a new process, as it were
            request = shard_request(store, caption_set(store, texts), run_seed=5)
            results.append(await result_of(stub.GenerateShard(request)))
    assert [one.result.generated for one in results] == [6, 7]
    assert [one.result.reused for one in results] == [0, 6]
    assert [one.progress.reused for one in results] == [0, 6]
    store.delete(store.list("images"))
    async with serve() as stub:
        request = shard_request(store, caption_set(store, [*TEXTS, "one more"]), run_seed=5)
        last = await result_of(stub.GenerateShard(request))
    assert last.result.image_set == results[1].result.image_set


async def test_what_a_run_takes_is_written_down_by_its_name(serve, store, caption_set):
    request = shard_request(store, caption_set(store, TEXTS), run_seed=77)
    async with serve() as stub:
        for run in ("nightly", "again"):
            await result_of(stub.GenerateShard(request, metadata=(("x-synthvlm-run", run),)))
    taken = run_usage(store, "nightly").of("images")
    assert taken.made == len(TEXTS)
    assert 0 < taken.device_seconds <= taken.seconds
    assert run_usage(store, "again").kinds == {}  # it found the shard


@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        (pb.IMAGE_FORMAT_UNSPECIFIED, "image/jpeg"),
        (pb.IMAGE_FORMAT_PNG, "image/png"),
        (pb.IMAGE_FORMAT_WEBP, "image/webp"),
    ],
)
async def test_an_image_and_what_is_said_of_it(serve, image_format, media_type):
    async with serve() as stub:
        answer = await stub.GenerateImage(
            pb.GenerateImageRequest(
                prompt="a red circle",
                seed=2**63 - 1,
                parameters=pb.SamplingParameters(width=40, steps=2),
                format=image_format,
            )
        )
    assert (answer.width, answer.height) == (40, 32)
    assert answer.media_type == media_type
    assert answer.digest == sha256_digest(answer.image)
    assert (answer.parameters.steps, answer.parameters.width) == (2, 40)
    assert answer.parameters.guidance_scale == 3.0
    with Image.open(io.BytesIO(answer.image)) as image:
        assert image.size == (40, 32)
    mark = read_mark(answer.image)
    assert mark is not None
    assert mark.seed == 2**63 - 1
    assert mark.model_digest == answer.model_digest
    assert mark.prompt_digest == sha256_digest(b"a red circle")


async def test_concurrent_calls_share_batches_and_keep_their_images(serve, painter):
    artist = painter(lambda: time.sleep(0.1))
    requests = [
        pb.GenerateImageRequest(
            prompt=f"circle {n}", seed=n, parameters=pb.SamplingParameters(steps=1 + n % 2)
        )
        for n in range(16)
    ]
    async with serve(artist, batch_wait_ms=2000) as stub:
        artist.batches.clear()
        together = await asyncio.gather(*(stub.GenerateImage(one) for one in requests))
        # The first starts alone, at once; the others come meanwhile.
        assert len(artist.batches) <= 8
    async with serve(painter(), batch_wait_ms=0) as stub:
        alone = [await stub.GenerateImage(one) for one in requests]
    assert together == alone


async def test_a_repeat_with_the_same_id_is_not_made_twice(serve, painter):
    artist = painter()
    request = pb.GenerateImageRequest(prompt="a red circle", seed=1, request_id="r-1")
    async with serve(artist) as stub:
        artist.batches.clear()
        answers = [await stub.GenerateImage(request) for _ in range(2)]
        answers += await asyncio.gather(*(stub.GenerateImage(request) for _ in range(3)))
        assert len(artist.batches) == 1
        assert all(answer == answers[0] for answer in answers)
        request.seed = 2
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GenerateImage(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = details_of(raised.value)["BadRequest"].field_violations
    assert [violation.field for violation in violations] == ["request_id"]


async def test_wrong_requests_name_their_fields(serve, painter, store):
    async with serve(painter()) as stub:
        for call, fields in (
            (
                stub.GenerateImage(
                    pb.GenerateImageRequest(parameters=pb.SamplingParameters(width=7))
                ),
                ["prompt", "parameters.width"],
            ),
            (
                stub.GenerateImage(
                    pb.GenerateImageRequest(
                        prompt="x", parameters=pb.SamplingParameters(width=72, height=64)
                    )
                ),
                ["parameters.width", "parameters.height"],
            ),
            (
                result_of(stub.GenerateShard(pb.GenerateShardRequest(repeats=101))),
                ["store", "caption_set", "repeats"],
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            violations = details_of(raised.value)["BadRequest"].field_violations
            assert [violation.field for violation in violations] == fields


async def test_stores_and_models_that_do_not_fit(serve, painter, store, caption_set):
    captions = caption_set(store, TEXTS)
    other = open_store(parse_location("memory://elsewhere"))
    async with serve(painter()) as stub:
        for request, code in (
            (shard_request(other, captions), grpc.StatusCode.INVALID_ARGUMENT),
            (
                shard_request(store, captions, model_digest=f"sha256:{'9' * 64}"),
                grpc.StatusCode.FAILED_PRECONDITION,
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await result_of(stub.GenerateShard(request))
            assert raised.value.code() is code
        info = details_of(raised.value)["ErrorInfo"]
        assert info.metadata["loaded"] == painter.model_digest


async def test_an_image_that_cannot_be_made(serve, painter, store, caption_set):
    captions = caption_set(store, ["a red circle", "a blank page"])
    async with serve(painter()) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GenerateImage(pb.GenerateImageRequest(prompt="a blank page"))
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert details_of(raised.value)["ErrorInfo"].metadata["defect"] == "blank"
        last = await result_of(stub.GenerateShard(shard_request(store, captions)))
    assert last.result.generated == 1
    assert [(one.rule, one.records) for one in last.result.failed] == [("blank", 1)]


async def test_two_calls_for_one_shard_get_the_same(serve, painter, store, caption_set):
    artist = painter()
    request = shard_request(store, caption_set(store, TEXTS))
    async with serve(artist) as stub:
        artist.batches.clear()
        one, other = await asyncio.gather(
            *(result_of(stub.GenerateShard(request)) for _ in range(2))
        )
    assert one.result == other.result
    assert len(artist.batches) == 2


@pytest.mark.parametrize("kind", ["image", "shard"])
async def test_a_caller_who_goes_away_stops_the_loop(serve, painter, store, caption_set, kind):
    stepping = threading.Event()

    def slow_step():
        stepping.set()
        time.sleep(0.02)

    artist = painter()
    long, short = pb.SamplingParameters(steps=500), pb.SamplingParameters(steps=1)
    async with serve(artist) as stub:
        artist.steps, artist.on_step = 0, slow_step
        if kind == "image":
            call = stub.GenerateImage(pb.GenerateImageRequest(prompt="x", parameters=long))
            sending = asyncio.ensure_future(call)
        else:
            captions = caption_set(store, TEXTS)
            call = stub.GenerateShard(shard_request(store, captions, parameters=long))
            await call.read()
        await asyncio.to_thread(stepping.wait, 30)
        call.cancel()
        if kind == "image":
            assert (await asyncio.wait([sending]))[1] == set()
        # The engine is free for others long before the 500 steps, 10 seconds of them, are made.
        await stub.GenerateImage(pb.GenerateImageRequest(prompt="y", parameters=short))
        assert artist.steps < 250
