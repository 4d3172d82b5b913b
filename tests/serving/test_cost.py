"""What one request may cost a service: memory, and the patience of probes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.caption.v1 import caption_pb2 as pb
from synthvlm.local.processes import ServiceProcess
from tests.service_process import service_process

MAX_MIB = 512
MAX_HEALTH_SECONDS = 1.0
METHOD = "/synthvlm.caption.v1.CaptionService/EvaluateCaptions"
MIB = 2**20


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServiceProcess, str]]:
    folder = tmp_path_factory.mktemp("cost")
    address = f"unix:{folder}/socket"
    with service_process("synthvlm.caption", ["--listen", address], folder) as (process, _):
        yield process, address


def memory(process: ServiceProcess, name: str) -> float:
    lines = Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def bounded(process: ServiceProcess, address: str) -> Iterator[None]:
    """Whatever the block does, memory stays bounded and health checks are answered."""
    Path(f"/proc/{process.process.pid}/clear_refs").write_text("5")
    before = memory(process, "VmRSS")
    done = threading.Event()
    waits: list[float] = []

    def probe() -> None:
        with grpc.insecure_channel(address) as channel:
            while not done.is_set():
                began = time.monotonic()
                health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=60
                )
                waits.append(time.monotonic() - began)
                time.sleep(0.02)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert memory(process, "VmHWM") - before < MAX_MIB
    assert max(waits) < MAX_HEALTH_SECONDS


def code(address: str, data: bytes, compression: grpc.Compression | None = None) -> grpc.StatusCode:
    options = [("grpc.max_send_message_length", -1)]
    with (
        grpc.insecure_channel(address, options, compression) as shared,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel: Any = shared
        channel.unary_unary(METHOD)(data, timeout=120)
    status: grpc.StatusCode = caught.value.code()
    return status


def captions(texts: list[str]) -> bytes:
    return pb.EvaluateCaptionsRequest(
        captions=[{"text": text} for text in texts]
    ).SerializeToString()


REQUESTS = {
    "empty elements": b"\x0a\x00" * (8 * MIB),
    "unknown fields": b"\x78\x01" * (8 * MIB),
    "as many as pass the count": b"\x0a\x00" * 199_999,
    "one long string": captions(["x" * 16 * MIB + "\N{PILE OF POO}"]),
    "long strings": captions(["x" * (MIB - 4) + "\N{PILE OF POO}"] * 16),
    "many wrong captions": captions(["x" * 17_000] * 1000),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_of_any_form_is_refused_cheaply(
    service: tuple[ServiceProcess, str], name: str
) -> None:
    with bounded(*service):
        assert code(service[1], REQUESTS[name]) == grpc.StatusCode.INVALID_ARGUMENT


def test_refused_requests_leave_nothing_behind(service: tuple[ServiceProcess, str]) -> None:
    process, address = service
    code(address, REQUESTS["empty elements"])
    before = memory(process, "VmRSS")
    for _ in range(12):
        code(address, REQUESTS["empty elements"])
    assert memory(process, "VmRSS") - before < 64


def test_more_than_any_valid_request_is_not_received(
    service: tuple[ServiceProcess, str],
) -> None:
    with bounded(*service):
        assert code(service[1], b"\x0a\x00" * (23 * MIB)) == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_not_inflated(
    service: tuple[ServiceProcess, str], compression: grpc.Compression
) -> None:
    process, address = service
    with bounded(process, address):
        before = memory(process, "VmRSS")
        assert code(address, bytes(64 * MIB), compression) == grpc.StatusCode.UNIMPLEMENTED
        assert memory(process, "VmHWM") - before < 32
