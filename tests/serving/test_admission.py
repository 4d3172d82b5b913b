"""Admission: limits hold whatever comes, goes and gives up."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import QueueFull, Unavailable
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.grpc_errors import typed_error
from synthvlm.serving.admission import Lane, Place
from synthvlm.serving.calls import Kind
from synthvlm.serving.testing import running, serving
from tests.serving.probe import SERVICE, ProbeSettings, image_request, shard_request
from tests.serving.waiting import until, until_exists

ACTIONS = st.lists(
    st.one_of(
        st.just(("enter", 0)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("leave and cancel"), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(ACTIONS, st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_no_place_is_lost_or_given_twice(
    actions: list[tuple[str, int]], limit: int, queue_limit: int
) -> None:
    async def play() -> None:
        lane = Lane(Kind.ITEM, limit, queue_limit)
        tasks: list[asyncio.Task[Place]] = []
        inside: list[Place] = []
        order: list[int] = []

        async def enter(number: int) -> Place:
            place = await lane.enter()
            order.append(number)
            inside.append(place)
            return place

        for number, (action, choice) in enumerate(actions):
            waiting = [task for task in tasks if not task.done()]
            if "leave" in action and inside:
                inside.pop(choice % len(inside)).leave()
            # Without a pause after `leave`, the cancellation meets a place in mid-handover.
            if "cancel" in action and waiting:
                waiting[choice % len(waiting)].cancel()
            if action == "enter":
                tasks.append(asyncio.create_task(enter(number)))
            for _ in range(4):
                await asyncio.sleep(0)
            assert lane.running == len(inside) <= limit
            assert lane.queued <= queue_limit
            assert lane.queued == 0 or lane.running == limit
        while inside:
            inside.pop().leave()
            for _ in range(4):
                await asyncio.sleep(0)
        assert (lane.running, lane.queued) == (0, 0)
        assert order == sorted(order)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(o, Place | QueueFull | asyncio.CancelledError) for o in outcomes)

    asyncio.run(play())


async def test_advice_grows_with_the_queue_and_the_service_time() -> None:
    lane = Lane(Kind.ITEM, 2, 10)
    assert lane.retry_after() == 0.1
    lane.running = 1
    lane.release(8.0)
    assert lane.retry_after() == pytest.approx(4.0)
    lane.running = 1
    lane.release(1_000.0)
    assert lane.retry_after() == 60.0


async def test_overload_is_rejected_with_advice_while_health_answers(tmp_path) -> None:
    settings = ProbeSettings(max_item_calls=2, max_shard_calls=1, max_queued_calls=1)
    async with (
        serving(SERVICE, settings) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = pb_grpc.GenerationServiceStub(channel)
        held = [tmp_path / name for name in "abc"]
        calls = [stub.GenerateImage(image_request(f"hold:{path}")) for path in held]
        await until(lambda: len(list(tmp_path.glob("*.started"))) == 2)
        await until(lambda: server.unfinished == 3)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            # The third waits; the queue is full.
            await stub.GenerateImage(image_request("quick"))
        error = typed_error(caught.value)
        assert isinstance(error, QueueFull)
        assert error.retry_after_seconds > 0
        assert error.metadata["running"] == "2"
        # Health and shard calls have places of their own.
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        shards = [answer async for answer in stub.GenerateShard(shard_request())]
        assert shards[-1].result.generated == 3
        for path in held:
            path.with_suffix(".release").touch()
        assert [(await call).media_type for call in calls] == [f"hold:{path}" for path in held]


async def test_who_gives_up_waiting_leaves_the_queue(tmp_path) -> None:
    settings = ProbeSettings(max_item_calls=1, max_queued_calls=1)
    async with running(SERVICE, settings) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        first = stub.GenerateImage(image_request(f"hold:{tmp_path / 'a'}"))
        await until_exists(tmp_path / "a.started")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GenerateImage(image_request(f"hold:{tmp_path / 'b'}"), timeout=0.3)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        last = asyncio.ensure_future(patient(stub))
        (tmp_path / "a.release").touch()
        await first
        assert (await last).media_type == "quick"
        assert not (tmp_path / "b.started").exists()


async def patient(stub: pb_grpc.GenerationServiceStub) -> pb.GenerateImageResponse:
    while True:
        try:
            answer: pb.GenerateImageResponse = await stub.GenerateImage(image_request("quick"))
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            await asyncio.sleep(0.02)
        else:
            return answer


async def test_a_closing_lane_turns_away_those_who_wait() -> None:
    lane = Lane(Kind.SHARD, 1, 5)
    place = await lane.enter()
    waiting = [asyncio.create_task(lane.enter()) for _ in range(3)]
    await until(lambda: lane.queued == 3)
    lane.turn_away()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    place.leave()
    assert lane.running == 0
