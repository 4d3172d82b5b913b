"""No valid request, however large, keeps a service's event loop from everything else."""

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from synthvlm.caption.requests import MAX_CAPTION_BYTES
from synthvlm.caption.service import SERVICE as CAPTION
from synthvlm.caption.v1 import caption_pb2
from synthvlm.dataset.service import SERVICE as DATASET
from synthvlm.serving import Service
from synthvlm.serving.server import Server
from tests.serving.test_wire import largest_selection

MAX_HELD_SHARE = 0.25
"""Of the processor time that the request takes: how fast or busy the machine is does not count."""

CLIENT = """
import sys, grpc
address, path, file = sys.argv[1:]
limits = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
try:
    answers = grpc.insecure_channel(address, limits).unary_stream(path)(open(file, "rb").read())
    print("OK", sum(map(len, answers)))
except grpc.RpcError as error:
    print(error.code().name, error.details())
"""


def largest_evaluation(_: Path) -> Message:
    """A thousand captions of the largest size, none of them ASCII."""
    text = "é" * (MAX_CAPTION_BYTES // 2)
    captions = [{"id": f"{number:0250}", "text": text} for number in range(1000)]
    return caption_pb2.EvaluateCaptionsRequest(captions=captions)


def largest_select(folder: Path) -> Message:
    request = largest_selection()
    request.store.uri = folder.as_uri()
    return request


@asynccontextmanager
async def time_between_ticks() -> AsyncIterator[list[float]]:
    """The processor time that went by each time that the loop waited for a millisecond."""
    times: list[float] = []

    async def tick() -> None:
        before = time.process_time()
        while True:
            await asyncio.sleep(0.001)
            times.append(-before + (before := time.process_time()))

    ticking = asyncio.ensure_future(tick())
    yield times
    ticking.cancel()


@pytest.mark.parametrize(
    ("service", "method", "largest", "answer"),
    [
        (CAPTION, "EvaluateCaptions", largest_evaluation, "OK 16"),
        # No store has such long names: it is the first one that is looked for.
        (DATASET, "Select", largest_select, "INVALID_ARGUMENT 'sss"),
    ],
)
async def test_the_largest_valid_requests(
    tmp_path: Path, service: Service[Any], method: str, largest: Any, answer: str
) -> None:
    values: dict[str, Any] = {"store_roots": [tmp_path.as_uri()]}
    if service is DATASET:
        values["database"] = f"sqlite:///{tmp_path}/catalogue.db"
    data = largest(tmp_path).SerializeToString()
    assert 0.9 * service.max_request_bytes < len(data) <= service.max_request_bytes
    (tmp_path / "request").write_bytes(data)
    server = Server(service, service.settings(**values))
    await server.start()
    await server.warm_up()
    # As a service does: garbage is not looked for among what all tests have made.
    gc.collect()
    gc.freeze()
    try:
        async with time_between_ticks() as times:
            path = f"/{service.descriptor.full_name}/{method}"
            arguments = (sys.executable, "-c", CLIENT, server.address, path, tmp_path / "request")
            client = await asyncio.create_subprocess_exec(*arguments, stdout=-1)
            out, _ = await client.communicate()
        assert out.decode().startswith(answer)
        assert max(times) < MAX_HELD_SHARE * sum(times)
    finally:
        gc.unfreeze()
        await server.drain()
