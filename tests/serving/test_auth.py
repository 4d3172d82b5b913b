"""Tokens and certificates: who gets in, and what stays open for probes."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from synthvlm.client import GenerationClient, RetryPolicy, connect
from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.serving.server import Server
from synthvlm.serving.testing import serving
from tests.serving.certificates import Authority
from tests.serving.probe import SERVICE, ProbeSettings, image_request, shard_request

NO_RETRY = RetryPolicy(total_seconds=0)


async def ask(channel: grpc.Channel) -> str:
    with GenerationClient(channel, NO_RETRY) as client:
        return (await asyncio.to_thread(client.get_model, pb.GetModelRequest())).engine


async def health(address: str) -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        return int(answer.status)


async def test_only_the_token_opens_the_service(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("right\n")
    async with serving(SERVICE, ProbeSettings(token_file=token_file)) as server:
        for token in (None, "", "wrong", "righ", "rightt"):
            with pytest.raises(Unauthenticated):
                await ask(connect(server.address, token=token))
        assert await ask(connect(server.address, token="right")) == "probe"
        assert await ask(connect(server.address, token=token_file)) == "probe"
        assert await health(server.address) == health_pb2.HealthCheckResponse.SERVING
        # A changed file counts at once, for server and client.
        token_file.write_text("another")
        with pytest.raises(Unauthenticated):
            await ask(connect(server.address, token="right"))
        assert await ask(connect(server.address, token=token_file)) == "probe"


async def test_streams_and_reflection_want_the_token_too(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("right")
    async with serving(SERVICE, ProbeSettings(token_file=token_file)) as server:
        stranger = GenerationClient(connect(server.address), NO_RETRY)
        with stranger, pytest.raises(Unauthenticated):
            await asyncio.to_thread(stranger.generate_shard, shard_request())
        with GenerationClient(connect(server.address, token="right"), NO_RETRY) as client:
            made = await asyncio.to_thread(client.generate_shard, shard_request())
        assert made.generated == 3
        async with grpc.aio.insecure_channel(server.address) as channel:
            shared: Any = channel
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(shared)
            requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in stub.ServerReflectionInfo(iter(requests)):
                    pass
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("content", ["", "  \n"])
async def test_an_empty_token_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(content)
    server = Server(SERVICE, ProbeSettings(token_file=token_file))
    with pytest.raises(ValueError, match="empty"):
        await server.start()
    await server.drain()


@pytest.mark.parametrize("change", ["emptied", "removed"])
async def test_without_its_token_a_service_lets_nobody_in(tmp_path: Path, change: str) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("right")
    async with serving(SERVICE, ProbeSettings(token_file=token_file)) as server:
        if change == "emptied":
            token_file.write_text("")
        else:
            token_file.unlink()
        for token in (None, "", "right"):
            with pytest.raises(Unavailable, match="token file is empty or cannot be read"):
                await ask(connect(server.address, token=token))
        assert await health(server.address) == health_pb2.HealthCheckResponse.SERVING
        token_file.write_text("right")
        assert await ask(connect(server.address, token="right")) == "probe"


async def test_tls_and_a_plain_port_for_probes(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    pair = authority.issue("server")
    settings = ProbeSettings(
        tls_certificate_file=pair.certificate,
        tls_key_file=pair.key,
        health_listen="127.0.0.1:0",
    )
    async with serving(SERVICE, settings) as server:
        assert await ask(connect(server.address, ca_file=authority.ca_file)) == "probe"
        for ca_file in (None, stranger.ca_file):
            with pytest.raises(Unavailable):
                await ask(connect(server.address, ca_file=ca_file))
        assert server.health_address is not None
        assert await health(server.health_address) == health_pb2.HealthCheckResponse.SERVING
        async with grpc.aio.insecure_channel(server.health_address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await pb_grpc.GenerationServiceStub(channel).GetModel(pb.GetModelRequest())
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_client_certificates_and_their_renewal(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    pair, client = authority.issue("server"), authority.issue("client")
    unknown = stranger.issue("unknown")
    settings = ProbeSettings(
        tls_certificate_file=pair.certificate,
        tls_key_file=pair.key,
        tls_client_ca_file=authority.ca_file,
    )

    def channel(ca_file: Path, certificate: Path | None, key: Path | None) -> grpc.Channel:
        return connect(server.address, ca_file=ca_file, certificate_file=certificate, key_file=key)

    async with serving(SERVICE, settings) as server:
        trusted = authority.ca_file
        assert await ask(channel(trusted, client.certificate, client.key)) == "probe"
        with pytest.raises(Unavailable):
            await ask(channel(trusted, None, None))
        with pytest.raises(Unavailable):
            await ask(channel(trusted, unknown.certificate, unknown.key))
        # The server's certificate is replaced by one of another authority.
        renewed = stranger.issue("renewed")
        pair.key.write_bytes(renewed.key.read_bytes())
        pair.certificate.write_bytes(renewed.certificate.read_bytes())
        assert await ask(channel(stranger.ca_file, client.certificate, client.key)) == "probe"


async def test_large_messages_pass_up_to_the_limit() -> None:
    settings = ProbeSettings(max_message_mib=1)
    async with serving(SERVICE, settings) as server:
        client = GenerationClient(connect(server.address), NO_RETRY)
        with client, pytest.raises(Exception, match="larger than max") as caught:
            await asyncio.to_thread(client.generate_image, image_request("x" * 2**21))
        # Nothing that waiting could mend.
        assert not isinstance(caught.value, Unavailable)
