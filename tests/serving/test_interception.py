"""What a server does with bytes that are no request, and with callers that do not read."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from structlog.testing import capture_logs

from synthvlm.serving.calls import Kind
from synthvlm.serving.server import Server
from synthvlm.serving.testing import serving
from tests.serving.probe import (
    DESCRIPTOR,
    SERVICE,
    ProbeSettings,
    image_request,
    pb_grpc,
    shard_request,
)
from tests.serving.waiting import until

DAMAGED = {
    "cut off": b"\x0a\x7fa",
    "not UTF-8": b"\x0a\x02\xff\xfe",
    "a group": b"\x0b",
    "large": b"\x0a\x04abcd" * 10_000 + b"\x0a\x7f",
}
METHODS = {
    "unary": f"/{DESCRIPTOR.full_name}/GenerateImage",
    "stream": f"/{DESCRIPTOR.full_name}/GenerateShard",
    "health": f"/{health.SERVICE_NAME}/Check",
    "watch": f"/{health.SERVICE_NAME}/Watch",
    "reflection": f"/{reflection.SERVICE_NAME}/ServerReflectionInfo",
}


async def send_raw(address: str, method: str, data: bytes, **options: Any) -> grpc.aio.AioRpcError:
    """The error of a call whose request is any bytes."""
    async with grpc.aio.insecure_channel(address, **options) as untyped:
        channel: Any = untyped
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with asyncio.timeout(60):
                if method in (METHODS["unary"], METHODS["health"]):
                    await channel.unary_unary(method)(data)
                elif method == METHODS["reflection"]:
                    async for _ in channel.stream_stream(method)(iter([data])):
                        pass
                else:
                    async for _ in channel.unary_stream(method)(data):
                        pass
    return caught.value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("damage", DAMAGED)
async def test_bytes_that_are_no_message_are_the_callers_fault(damage: str, method: str) -> None:
    async with serving(SERVICE, ProbeSettings()) as server:
        error = await send_raw(server.address, METHODS[method], DAMAGED[damage])
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "DecodeError" not in str(error.details())


async def test_probes_are_told_the_same_at_their_own_port() -> None:
    async with serving(SERVICE, ProbeSettings(health_listen="127.0.0.1:0")) as server:
        assert server.health_address is not None
        error = await send_raw(server.health_address, METHODS["health"], DAMAGED["cut off"])
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_what_is_no_message_is_counted_and_logged_and_needs_the_token(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("right")
    async with serving(SERVICE, ProbeSettings(token_file=tmp_path / "token")) as server:
        with capture_logs() as logs:
            for name in ("unary", "stream", "reflection"):
                error = await send_raw(server.address, METHODS[name], DAMAGED["cut off"])
                assert error.code() == grpc.StatusCode.UNAUTHENTICATED
            metadata = (("authorization", "Bearer right"),)
            async with grpc.aio.insecure_channel(server.address) as untyped:
                channel: Any = untyped
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary(METHODS["unary"])(b"\x0b", metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        # The end of a call is logged after its answer.
        ended = [(entry["method"], entry["code"]) for entry in logs if "code" in entry]
    assert ended[:2] == [("GenerateImage", "UNAUTHENTICATED"), ("GenerateShard", "UNAUTHENTICATED")]
    labels = {"method": "GenerateImage", "code": "INVALID_ARGUMENT"}
    assert _calls(server, labels) == 1.0


def _calls(server: Server[Any], labels: dict[str, str]) -> float | None:
    return server._metrics.registry.get_sample_value("synthvlm_probe_requests_total", labels)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("method", ["unary", "stream", "health"])
async def test_compressed_requests_are_refused(
    tmp_path: Path, method: str, compression: grpc.Compression
) -> None:
    (tmp_path / "token").write_text("right")
    async with serving(SERVICE, ProbeSettings(token_file=tmp_path / "token")) as server:
        error = await send_raw(
            server.address, METHODS[method], bytes(2**20), compression=compression
        )
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "compress" in str(error.details()).lower()


async def test_a_connection_has_a_limit_of_open_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that send no message are answered by nobody; further ones wait at the client."""
    monkeypatch.setattr("synthvlm.serving.server.MAX_OPEN_CALLS", 2)
    async with serving(SERVICE, ProbeSettings()) as server:
        async with grpc.aio.insecure_channel(server.address) as untyped:
            channel: Any = untyped
            check = health_pb2_grpc.HealthStub(channel).Check
            silent = [channel.stream_stream(METHODS["unary"])() for _ in range(2)]
            await asyncio.gather(*(call.wait_for_connection() for call in silent))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await check(health_pb2.HealthCheckRequest(), timeout=1)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            silent[0].cancel()
            await check(health_pb2.HealthCheckRequest(), timeout=30)
        async with grpc.aio.insecure_channel(server.address) as another:
            await health_pb2_grpc.HealthStub(another).Check(health_pb2.HealthCheckRequest())


async def test_a_caller_that_does_not_read_loses_its_place() -> None:
    async with serving(SERVICE, ProbeSettings(send_seconds=0.3, max_shard_calls=1)) as server:
        lane = server._admission.lanes[Kind.SHARD]
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            unread = stub.GenerateShard(shard_request("flood"))
            await anext(aiter(unread))
            await until(lambda: lane.running == 0)
            # The place is another's, and whoever reads after all is told why it was late.
            async for _ in stub.GenerateShard(shard_request()):
                pass
            await until(lambda: server.unfinished == 0)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in unread:
                    pass
        assert caught.value.code() == grpc.StatusCode.CANCELLED
        assert "did not take an answer within 0.3 seconds" in str(caught.value.details())
        assert _calls(server, {"method": "GenerateShard", "code": "CANCELLED"}) == 1.0


async def test_a_stream_that_its_reader_leaves_counts_as_cancelled() -> None:
    async with serving(SERVICE, ProbeSettings()) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = pb_grpc.GenerationServiceStub(channel).GenerateShard(shard_request("flood"))
            await anext(aiter(call))
            call.cancel()
            await until(lambda: server.unfinished == 0)
        assert server._admission.lanes[Kind.SHARD].running == 0
        assert _calls(server, {"method": "GenerateShard", "code": "CANCELLED"}) == 1.0


async def test_a_reader_that_is_slow_but_reads_gets_everything() -> None:
    async with serving(SERVICE, ProbeSettings(send_seconds=5)) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            call = stub.GenerateShard(shard_request("flood"))
            received = 0
            async for _ in call:
                received += 1
                await asyncio.sleep(0.2 if received < 5 else 0)
        assert received == 1000


async def test_requests_up_to_the_services_size_are_received() -> None:
    async with serving(SERVICE, ProbeSettings(max_message_mib=2)) as server:
        options = [("grpc.max_send_message_length", -1)]
        data = image_request("x" * 2**21).SerializeToString()
        error = await send_raw(server.address, METHODS["unary"], data, options=options)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
