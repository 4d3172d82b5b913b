"""Work on threads: its progress, and how it learns that nobody waits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.serving.testing import running, serving
from tests.serving.probe import SERVICE, ProbeSettings, image_request, shard_request
from tests.serving.waiting import until_exists


@pytest.fixture
async def stub() -> AsyncIterator[pb_grpc.GenerationServiceStub]:
    async with running(SERVICE, ProbeSettings(max_item_calls=1, max_shard_calls=1)) as channel:
        yield pb_grpc.GenerationServiceStub(channel)


async def test_a_deadline_reaches_the_thread(
    stub: pb_grpc.GenerationServiceStub, tmp_path: Path
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateImage(image_request(f"hold:{tmp_path / 'a'}"), timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await until_exists(tmp_path / "a.cancelled")


@pytest.mark.parametrize("kind", ["item", "shard"])
async def test_a_cancellation_reaches_the_thread_and_frees_its_place(
    stub: pb_grpc.GenerationServiceStub, tmp_path: Path, kind: str
) -> None:
    prompt = f"hold:{tmp_path / 'a'}"
    if kind == "item":
        call = stub.GenerateImage(image_request(prompt))
    else:
        call = stub.GenerateShard(shard_request(prompt))
        asyncio.ensure_future(call.read())  # noqa: RUF006 - ends with the call
    await until_exists(tmp_path / "a.started")
    call.cancel()
    await until_exists(tmp_path / "a.cancelled")
    assert (tmp_path / "a.cancelled").read_text() == "caller"
    # There is one place for each kind: the next call waits for it.
    assert (await stub.GenerateImage(image_request("next"))).media_type == "next"
    answers = [answer async for answer in stub.GenerateShard(shard_request())]
    assert answers[-1].result.generated == 3


async def test_progress_is_coalesced_and_the_last_always_comes(
    stub: pb_grpc.GenerationServiceStub,
) -> None:
    answers = [answer async for answer in stub.GenerateShard(shard_request(repeats=100))]
    done = [answer.progress.done for answer in answers[:-1]]
    assert done == sorted(set(done))
    assert done[-1] == 100
    assert {answer.progress.total for answer in answers[:-1]} == {100}
    assert len(done) < 100
    assert answers[-1].HasField("result")


async def test_progress_comes_while_the_work_runs(
    stub: pb_grpc.GenerationServiceStub, tmp_path: Path
) -> None:
    call = stub.GenerateShard(shard_request(f"hold:{tmp_path / 'a'}"))
    answers = []
    async for answer in call:
        answers.append(answer)
        (tmp_path / "a.release").touch()
    assert answers[0].progress.resumed == 1
    assert answers[0].progress.done < 3
    assert answers[-1].result.generated == 3


async def test_errors_of_the_work_reach_the_caller(stub: pb_grpc.GenerationServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.GenerateShard(shard_request("raise:DataCorrupt")):
            pass
    assert caught.value.code() == grpc.StatusCode.DATA_LOSS


async def test_draining_past_its_time_stops_the_thread_and_is_worth_a_retry(
    tmp_path: Path,
) -> None:
    settings = ProbeSettings(drain_seconds=0)
    async with (
        serving(SERVICE, settings) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = pb_grpc.GenerationServiceStub(channel)
        call = asyncio.ensure_future(outcome(stub, f"hold:{tmp_path / 'a'}"))
        await until_exists(tmp_path / "a.started")
        await server.drain()
        assert await call == grpc.StatusCode.UNAVAILABLE
    assert (tmp_path / "a.cancelled").read_text() == "shutdown"
    assert server.unfinished == 0


async def outcome(stub: pb_grpc.GenerationServiceStub, prompt: str) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateImage(image_request(prompt))
    return caught.value.code()
