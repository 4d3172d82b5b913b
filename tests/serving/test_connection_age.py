"""New replicas get calls: clients of old ones connect again and look names up anew."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from synthvlm.client.channels import channel_options
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.serving.testing import serving
from tests.serving.probe import SERVICE, ProbeSettings, image_request
from tests.serving.scraping import samples
from tests.serving.waiting import until

FIRST, SECOND = "127.0.0.1", "127.0.0.2"


class HeadlessService:
    """A name server that answers every question for an IPv4 address with all ``replicas``."""

    def __init__(self) -> None:
        self.replicas = [FIRST]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((FIRST, 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def serve(self) -> None:
        while True:
            query, sender = self.socket.recvfrom(512)
            if not query:
                return
            end = query.index(b"\0", 12) + 5  # after the name, its type and its class
            question = query[12:end]
            is_address = question[-4:-2] == b"\0\1"
            addresses = [socket.inet_aton(one) for one in self.replicas if is_address]
            counts = b"\0\1" + len(addresses).to_bytes(2, "big") + bytes(4)
            answers = [b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + address for address in addresses]
            self.socket.sendto(
                query[:2] + b"\x85\x80" + counts + question + b"".join(answers), sender
            )


@pytest.fixture
def names() -> Iterator[HeadlessService]:
    service = HeadlessService()
    service.thread.start()
    yield service
    service.socket.sendto(b"", service.socket.getsockname())
    service.thread.join()
    service.socket.close()


@pytest.mark.parametrize("age", [0.0, 0.5])
async def test_a_new_replica_gets_calls_once_connections_have_an_age(
    names: HeadlessService, tmp_path: Path, age: float
) -> None:
    first = ProbeSettings(listen=f"{FIRST}:0", max_connection_age_seconds=age)
    options = [*channel_options(), ("grpc.dns_min_time_between_resolutions_ms", 100)]
    async with serving(SERVICE, first) as old:
        port = old.address.rpartition(":")[2]
        second = ProbeSettings(listen=f"{SECOND}:{port}", metrics_listen="127.0.0.1:0")
        target = f"dns://{FIRST}:{names.port}/synthvlm.test:{port}"
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            running = asyncio.ensure_future(
                stub.GenerateImage(image_request(f"hold:{tmp_path / 'long'}"))
            )
            await until((tmp_path / "long.started").exists)
            async with serving(SERVICE, second) as new:
                names.replicas.append(SECOND)
                for _ in range(40):
                    await stub.GenerateImage(image_request("quick"))
                    await asyncio.sleep(0.05)
                assert new.metrics_address is not None
                seen = (await samples(new.metrics_address)).get("synthvlm_probe_requests_total", {})
                assert bool(seen) == bool(age)
                (tmp_path / "long.release").touch()
                await running  # it outlived the age of its connection
