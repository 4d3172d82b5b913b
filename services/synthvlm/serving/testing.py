"""A real server in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import grpc

from synthvlm.serving.server import Server
from synthvlm.serving.service import Service
from synthvlm.serving.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


@asynccontextmanager
async def serving(service: Service[S], settings: S) -> AsyncIterator[Server[S]]:
    """Serves while the block runs; yields the server, warm."""
    server = Server(service, settings)
    await server.start()
    try:
        await server.warm_up()
        yield server
    finally:
        await server.drain()


@asynccontextmanager
async def running(service: Service[S], settings: S) -> AsyncIterator[grpc.aio.Channel]:
    """Serves while the block runs; yields a channel to the server.

    By default, ``settings.listen`` is a free port of the loopback interface.
    """
    options = [
        (f"grpc.max_{way}_message_length", settings.max_message_mib * 2**20)
        for way in ("receive", "send")
    ]
    async with (
        serving(service, settings) as server,
        grpc.aio.insecure_channel(server.address, options=options) as channel,
    ):
        yield channel
