"""New replicas get calls: clients of old ones connect again and look names up anew."""

import asyncio
from pathlib import Path

import grpc
import pytest

from synthvlm.client.channels import channel_options
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.serving.testing import serving
from tests.name_server import name_server
from tests.serving.probe import SERVICE, ProbeSettings, image_request
from tests.serving.scraping import samples
from tests.serving.waiting import until

FIRST, SECOND = "127.0.0.1", "127.0.0.2"


@pytest.mark.parametrize("age", [0.0, 0.5])
async def test_a_new_replica_gets_calls_once_connections_have_an_age(
    tmp_path: Path, age: float
) -> None:
    replicas = [FIRST]
    first = ProbeSettings(listen=f"{FIRST}:0", max_connection_age_seconds=age)
    options = [*channel_options(), ("grpc.dns_min_time_between_resolutions_ms", 100)]
    with name_server(lambda _: replicas) as names:
        async with serving(SERVICE, first) as old:
            port = old.address.rpartition(":")[2]
            second = ProbeSettings(listen=f"{SECOND}:{port}", metrics_listen="127.0.0.1:0")
            target = f"dns://{FIRST}:{names}/synthvlm.test:{port}"
            async with grpc.aio.insecure_channel(target, options=options) as channel:
                stub = pb_grpc.GenerationServiceStub(channel)
                running = asyncio.ensure_future(
                    stub.GenerateImage(image_request(f"hold:{tmp_path / 'long'}"))
                )
                await until((tmp_path / "long.started").exists)
                async with serving(SERVICE, second) as new:
                    replicas.append(SECOND)
                    for _ in range(40):
                        await stub.GenerateImage(image_request("quick"))
                        await asyncio.sleep(0.05)
                    assert new.metrics_address is not None
                    seen = (await samples(new.metrics_address)).get(
                        "synthvlm_probe_requests_total", {}
                    )
                    assert bool(seen) == bool(age)
                    (tmp_path / "long.release").touch()
                    await running  # it outlived the age of its connection
