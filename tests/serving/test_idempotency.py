"""Repeats of a request: the work is done once, and every repeat has the first one's answer."""

import asyncio
from dataclasses import dataclass, field

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import InvalidInput, Unavailable
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.serving.idempotency import KEEP_SECONDS, AnswerCache
from synthvlm.serving.testing import running
from tests.serving.probe import SERVICE, ProbeSettings, image_request


@dataclass
class Work:
    """Answers with a number that grows by each answer made."""

    made: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    failing: bool = False

    async def make(self) -> pb.GenerateImageResponse:
        self.made += 1
        number = self.made
        await self.release.wait()
        if self.failing:
            raise Unavailable("not now", 1.0)
        return pb.GenerateImageResponse(width=number, image=b"x" * 100)

    async def at_once(self) -> pb.GenerateImageResponse:
        self.release.set()
        return await self.make()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_repeats_share_the_answer_also_while_it_is_made() -> None:
    cache, work = AnswerCache(), Work()
    request = image_request("a", "id")
    calls = [asyncio.create_task(cache.once("id", request, work.make)) for _ in range(5)]
    await asyncio.sleep(0.01)
    work.release.set()
    assert {answer.width for answer in await asyncio.gather(*calls)} == {1}
    assert (await cache.once("id", request, work.make)).width == 1
    assert work.made == 1


async def test_another_request_under_the_same_id_is_an_error() -> None:
    cache, work = AnswerCache(), Work()
    first = asyncio.create_task(cache.once("id", image_request("a", "id"), work.make))
    await asyncio.sleep(0.01)
    for _ in range(2):
        with pytest.raises(InvalidInput) as caught:
            await cache.once("id", image_request("b", "id"), work.make)
        assert [entry.field for entry in caught.value.violations] == ["request_id"]
        work.release.set()
        await first
    # The id belongs to the method: another one may use it.
    await cache.once("id", pb.GetModelRequest(), work.make)


async def test_without_an_id_nothing_is_remembered() -> None:
    cache, work = AnswerCache(), Work()
    answers = [await cache.once("", image_request("a"), work.at_once) for _ in range(3)]
    assert [answer.width for answer in answers] == [1, 2, 3]


async def test_a_failure_is_not_remembered_and_a_waiting_repeat_takes_over() -> None:
    cache, work = AnswerCache(), Work(failing=True)
    request = image_request("a", "id")
    calls = [asyncio.create_task(cache.once("id", request, work.make)) for _ in range(2)]
    await asyncio.sleep(0.01)
    work.release.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    work.failing = False
    assert (await cache.once("id", request, work.make)).width == 3


async def test_a_cancelled_first_call_leaves_the_work_to_its_repeat() -> None:
    cache, work = AnswerCache(), Work()
    request = image_request("a", "id")
    first = asyncio.create_task(cache.once("id", request, work.make))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(cache.once("id", request, work.make))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    work.release.set()
    assert (await second).width == 2


async def test_a_cancelled_repeat_leaves_the_first_call_alone() -> None:
    cache, work = AnswerCache(), Work()
    request = image_request("a", "id")
    first = asyncio.create_task(cache.once("id", request, work.make))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(cache.once("id", request, work.make))
    await asyncio.sleep(0.01)
    second.cancel()
    work.release.set()
    assert (await first).width == 1
    assert (await cache.once("id", request, work.make)).width == 1


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, 400.0])), max_size=30),
    st.integers(1, 4),
    st.integers(100, 500),
)
@settings(deadline=None, max_examples=50)
def test_the_newest_answers_are_kept_within_all_limits(
    steps: list[tuple[int, float]], max_answers: int, max_bytes: int
) -> None:
    async def play() -> None:
        clock, work = Clock(), Work()
        cache = AnswerCache(max_answers, max_bytes, clock)
        size = (await work.at_once()).ByteSize()
        room = min(max_answers, max_bytes // size)
        kept: dict[int, tuple[int, float]] = {}
        for name, pause in steps:
            clock.now += pause
            answer = await cache.once(str(name), image_request(str(name)), work.at_once)
            known = kept.get(name)
            if known is not None and clock.now - known[1] < KEEP_SECONDS:
                assert answer.width == known[0]
                continue
            assert answer.width == work.made
            kept.pop(name, None)
            kept = {n: k for n, k in kept.items() if clock.now - k[1] < KEEP_SECONDS}
            kept[name] = (answer.width, clock.now)
            while len(kept) > room:
                del kept[next(iter(kept))]

    asyncio.run(play())


async def test_a_retry_through_the_service_gets_the_first_answer() -> None:
    async with running(SERVICE, ProbeSettings()) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        first, second = await asyncio.gather(
            *(stub.GenerateImage(image_request("a", "same")) for _ in range(2))
        )
        other = await stub.GenerateImage(image_request("a"))
        assert (first.width, second.width, other.width) == (1, 1, 2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GenerateImage(image_request("b", "same"))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
