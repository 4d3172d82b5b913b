"""The typed clients against a real server: calls, retries, progress, errors, channels."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_type_hints

import grpc
import pytest
from google.protobuf import descriptor_pool

import synthvlm.client
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.client import (
    CaptionClient,
    GenerationClient,
    RetryPolicy,
    connect,
)
from synthvlm.client.client import Client
from synthvlm.errors import (
    DataCorrupt,
    DomainError,
    InvalidInput,
    NotFound,
    OperationCancelled,
    QueueFull,
    Unavailable,
)
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.grpc_errors import typed_error
from synthvlm.serving import Service, ServiceSettings
from synthvlm.serving.testing import serving

QUICK = RetryPolicy(total_seconds=30, longest_wait=0.05)
NO_RETRY = RetryPolicy(total_seconds=0)


class Flaky(pb_grpc.GenerationServiceServicer):
    """Fails as often as it is told, then answers; remembers the requests and metadata."""

    def __init__(self) -> None:
        self.failures: list[DomainError] = []
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.messages_before_failure = 0
        self.without_result = False
        self.ahead = self.gain = 0
        self.silent_seconds = 0.0

    def take(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))

    def fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def GenerateImage(self, request: Any, context: Any) -> pb.GenerateImageResponse:
        self.take(request, context)
        self.fail()
        return pb.GenerateImageResponse(media_type="image/png")

    async def GenerateShard(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.take(request, context)
        for done in range(self.messages_before_failure):
            yield pb.GenerateShardResponse(progress={"done": done + self.ahead, "total": 9})
        await asyncio.sleep(self.silent_seconds)
        self.ahead += self.gain
        self.fail()
        if not self.without_result:
            yield pb.GenerateShardResponse(
                progress={"done": 9, "total": 9}, result={"generated": 9}
            )


class FlakyCaptions(caption_pb2_grpc.CaptionServiceServicer):
    def __init__(self, flaky: Flaky) -> None:
        self.flaky = flaky

    async def EvaluateFile(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.flaky.take(request, context)
        for line in range(self.flaky.messages_before_failure):
            yield caption_pb2.EvaluateFileResponse(unreadable=[{"line": line}])
        self.flaky.fail()
        yield caption_pb2.EvaluateFileResponse(unreadable=[{"line": 99}])


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


@pytest.fixture
async def address(flaky: Flaky) -> AsyncIterator[str]:
    service = Service(
        word="flaky",
        settings=ServiceSettings,
        descriptor=pb.DESCRIPTOR.services_by_name["GenerationService"],
        register=pb_grpc.add_GenerationServiceServicer_to_server,
        build=lambda _: flaky,
    )
    async with serving(service, ServiceSettings()) as server:
        yield server.address


@pytest.fixture
async def caption_address(flaky: Flaky) -> AsyncIterator[str]:
    service = Service(
        word="flaky",
        settings=ServiceSettings,
        descriptor=caption_pb2.DESCRIPTOR.services_by_name["CaptionService"],
        register=caption_pb2_grpc.add_CaptionServiceServicer_to_server,
        build=lambda _: FlakyCaptions(flaky),
    )
    async with serving(service, ServiceSettings()) as server:
        yield server.address


Call = Callable[..., Any]


@pytest.fixture
def call(address: str) -> Call:
    """Calls a method of a client: ``call("generate_image", request, policy)``."""

    async def run(name: str, message: Any, policy: RetryPolicy = QUICK, **arguments: Any) -> Any:
        def blocking() -> Any:
            with GenerationClient(connect(address), policy) as client:
                return getattr(client, name)(message, **arguments)

        return await asyncio.to_thread(blocking)

    return run


async def test_errors_that_pass_are_retried_with_the_same_request_id(
    call: Call, flaky: Flaky
) -> None:
    flaky.failures = [QueueFull("full", 0.01), Unavailable("gone", 0.01)]
    answer = await call("generate_image", pb.GenerateImageRequest(prompt="a"))
    assert answer.media_type == "image/png"
    ids = {request.request_id for request in flaky.requests}
    assert len(flaky.requests) == 3
    assert len(ids) == 1
    assert ids != {""}


async def test_a_given_request_id_stays_and_the_request_is_not_changed(
    call: Call, flaky: Flaky
) -> None:
    for given in ("mine", ""):
        request = pb.GenerateImageRequest(request_id=given)
        await call("generate_image", request)
        assert request.request_id == given
    assert flaky.requests[0].request_id == "mine"


async def test_lasting_errors_are_raised_at_once(call: Call, flaky: Flaky) -> None:
    flaky.failures = [NotFound("no", {"model": "x"})]
    with pytest.raises(NotFound) as caught:
        await call("generate_image", pb.GenerateImageRequest())
    assert caught.value.metadata["model"] == "x"
    assert len(flaky.requests) == 1


async def test_the_total_time_bounds_the_retries(call: Call, flaky: Flaky) -> None:
    flaky.failures = [QueueFull("full", 5.0)] * 3
    with pytest.raises(QueueFull):
        await call("generate_image", pb.GenerateImageRequest(), RetryPolicy(total_seconds=2))
    with pytest.raises(QueueFull):
        await call("generate_image", pb.GenerateImageRequest(), timeout=2)
    with pytest.raises(QueueFull):
        await call("generate_image", pb.GenerateImageRequest(), NO_RETRY)
    assert len(flaky.requests) == 3


async def test_a_shard_call_is_repeated_as_a_whole_and_tells_its_progress(
    call: Call, flaky: Flaky
) -> None:
    flaky.failures = [Unavailable("gone", 0.01)] * 2
    flaky.messages_before_failure = 2
    seen: list[int] = []
    result = await call(
        "generate_shard",
        pb.GenerateShardRequest(run_seed=7),
        on_progress=lambda progress: seen.append(progress.done),
    )
    assert result == pb.GenerateResult(generated=9)
    assert seen == [0, 1, 0, 1, 0, 1, 9]
    assert [request.run_seed for request in flaky.requests] == [7, 7, 7]


async def test_progress_starts_the_time_for_retries_anew(call: Call, flaky: Flaky) -> None:
    """Each failure waits at least 0.3 s of the second; four are too many without progress."""
    flaky.messages_before_failure = flaky.gain = 1
    flaky.failures = [Unavailable("gone", 0.3) for _ in range(4)]
    policy = RetryPolicy(total_seconds=1, longest_wait=0.3)
    result = await call("generate_shard", pb.GenerateShardRequest(), policy)
    assert result.generated == 9


async def test_catching_up_is_no_progress(call: Call, flaky: Flaky) -> None:
    """A batch that ends the service each time must not be tried for ever."""
    flaky.messages_before_failure = 3
    flaky.failures = [Unavailable("gone", 0.3) for _ in range(99)]
    policy = RetryPolicy(total_seconds=1, longest_wait=0.3)
    with pytest.raises(Unavailable):
        await call("generate_shard", pb.GenerateShardRequest(), policy)
    assert len(flaky.requests) <= 5


async def test_a_failure_after_long_silent_work_is_retried(call: Call, flaky: Flaky) -> None:
    flaky.failures = [Unavailable("gone", 0.01)]
    flaky.silent_seconds = 0.6
    policy = RetryPolicy(total_seconds=0.5, longest_wait=0.05)
    assert (await call("generate_shard", pb.GenerateShardRequest(), policy)).generated == 9


async def test_what_on_progress_raises_ends_the_call(call: Call, flaky: Flaky) -> None:
    flaky.messages_before_failure = 3

    def stop(_: Any) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        await call("generate_shard", pb.GenerateShardRequest(), on_progress=stop)
    assert len(flaky.requests) == 1


async def test_a_stream_without_a_result_is_an_error(call: Call, flaky: Flaky) -> None:
    flaky.without_result = True
    with pytest.raises(DomainError, match="without a result"):
        await call("generate_shard", pb.GenerateShardRequest())


async def test_a_service_that_is_not_there_is_no_reason_to_retry(address: str) -> None:
    with CaptionClient(connect(address), QUICK) as client, pytest.raises(DomainError) as caught:
        await asyncio.to_thread(client.evaluate_captions, caption_pb2.EvaluateCaptionsRequest())
    assert caught.value.metadata["grpc_code"] == "UNIMPLEMENTED"


async def test_streams_are_retried_only_before_the_first_answer(
    flaky: Flaky, caption_address: str
) -> None:
    async def lines() -> list[int]:
        request = caption_pb2.EvaluateFileRequest(file="/captions.txt")

        def blocking() -> list[int]:
            with CaptionClient(connect(caption_address), QUICK) as client:
                return [answer.unreadable[0].line for answer in client.evaluate_file(request)]

        return await asyncio.to_thread(blocking)

    flaky.failures = [Unavailable("gone", 0.01)]
    assert await lines() == [99]
    assert len(flaky.requests) == 2
    flaky.messages_before_failure = 2
    assert await lines() == [0, 1, 99]
    flaky.failures = [DataCorrupt("torn"), Unavailable("gone", 0.01)]
    with pytest.raises(DataCorrupt):
        await lines()
    with pytest.raises(Unavailable):
        await lines()
    assert len(flaky.requests) == 5


async def test_a_service_that_starts_late_is_waited_for(
    tmp_path_factory: pytest.TempPathFactory, flaky: Flaky
) -> None:
    # A socket's path must be short.
    socket = f"unix:{tmp_path_factory.mktemp('s')}/s"
    client = GenerationClient(connect(socket), QUICK)
    with pytest.raises(Unavailable, match="not ready"):
        await asyncio.to_thread(client.wait_until_serving, 0.2)
    request = pb.GenerateImageRequest(prompt="early")
    early = asyncio.ensure_future(asyncio.to_thread(client.generate_image, request))
    service = Service(
        word="flaky",
        settings=ServiceSettings,
        descriptor=pb.DESCRIPTOR.services_by_name["GenerationService"],
        register=pb_grpc.add_GenerationServiceServicer_to_server,
        build=lambda _: flaky,
    )
    async with serving(service, ServiceSettings(listen=socket)):
        await asyncio.to_thread(client.wait_until_serving, 60)
        assert (await early).media_type == "image/png"
        client.close()


async def test_metadata_and_token_go_with_every_call(
    address: str, flaky: Flaky, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    metadata = {"x-synthvlm-run": "run-7"}

    def blocking() -> None:
        with GenerationClient(connect(address, token=token, metadata=metadata)) as client:
            client.generate_image(pb.GenerateImageRequest())
            client.generate_shard(pb.GenerateShardRequest())

    await asyncio.to_thread(blocking)
    assert len(flaky.metadata) == 2
    for sent in flaky.metadata:
        assert sent["authorization"] == "Bearer secret"
        assert sent["x-synthvlm-run"] == "run-7"


async def test_an_invalid_file_is_found_when_connecting(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        connect("127.0.0.1:1", token=tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        connect("127.0.0.1:1", ca_file=tmp_path / "missing")


async def test_a_certificate_without_tls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ca_file"):
        connect("127.0.0.1:1", certificate_file=tmp_path / "x", key_file=tmp_path / "y")


class Echo(grpc.GenericRpcHandler):
    """Answers the methods of every service with empty messages; streams give two."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        self.called.append(details.method)
        service, _, name = details.method.lstrip("/").partition("/")
        method = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(lambda request, context: iter([b"", b""]))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


CLIENTS = [
    client
    for _, client in inspect.getmembers(synthvlm.client, inspect.isclass)
    if issubclass(client, Client)
]


@pytest.fixture
def echo() -> Iterator[tuple[Echo, str]]:
    server, handler = grpc.server(ThreadPoolExecutor(1)), Echo()
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, f"127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_method_has_its_path_and_its_messages(
    echo: tuple[Echo, str], kind: type[Client]
) -> None:
    handler, address = echo
    with kind(connect(address), NO_RETRY) as client:
        for method in client.service.methods:
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in method.name)
            function = getattr(client, snake.lstrip("_"))
            request = get_type_hints(function)["request"]
            assert request.DESCRIPTOR is method.input_type
            # Shard calls are those that stream progress.
            is_shard = "progress" in method.output_type.fields_by_name
            assert ("on_progress" in inspect.signature(function).parameters) is is_shard
            if is_shard:
                with pytest.raises(DomainError, match="without a result"):
                    function(request())
            else:
                answer = function(request())
                answers = list(answer) if method.server_streaming else [answer]
                assert len(answers) == (2 if method.server_streaming else 1)
                assert all(one.DESCRIPTOR is method.output_type for one in answers)
            assert handler.called[-1] == f"/{method.containing_service.full_name}/{method.name}"


def test_there_is_a_client_for_each_service() -> None:
    assert len(CLIENTS) == 5


async def test_a_connection_that_breaks_in_a_call_is_retried(flaky: Flaky) -> None:
    """A proxy cuts the connection of the first call after its request has passed."""
    service = Service(
        word="flaky",
        settings=ServiceSettings,
        descriptor=pb.DESCRIPTOR.services_by_name["GenerationService"],
        register=pb_grpc.add_GenerationServiceServicer_to_server,
        build=lambda _: flaky,
    )
    cut = 0
    async with serving(service, ServiceSettings()) as server:
        host, _, port = server.address.rpartition(":")

        async def relay(reader: Any, writer: Any) -> None:
            nonlocal cut
            up_reader, up_writer = await asyncio.open_connection(host, int(port))

            async def forward() -> None:
                while data := await reader.read(2**16):
                    up_writer.write(data)

            forwarding = asyncio.ensure_future(forward())
            while data := await up_reader.read(2**16):
                if not cut and flaky.requests:
                    cut += 1
                    break
                writer.write(data)
            forwarding.cancel()
            writer.close()
            up_writer.close()

        proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with proxy:
            target = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            with GenerationClient(connect(target), QUICK) as client:
                request = pb.GenerateImageRequest(prompt="a")
                answer = await asyncio.to_thread(client.generate_image, request)
    assert answer.media_type == "image/png"
    assert cut == 1
    assert len(flaky.requests) == 2
    assert flaky.requests[0] == flaky.requests[1]


class CutOff(grpc.GenericRpcHandler):
    """Cancels the first call, as a server does that is about to stop, and answers the second."""

    def __init__(self) -> None:
        self.calls = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls += 1
            if self.calls == 1:
                context.cancel()
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


def test_a_call_that_a_stopping_server_cancels_is_retried() -> None:
    server, handler = grpc.server(ThreadPoolExecutor(1)), CutOff()
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with GenerationClient(connect(f"127.0.0.1:{port}"), QUICK) as client:
            client.generate_image(pb.GenerateImageRequest(prompt="a"))
    finally:
        server.stop(None)
    assert handler.calls == 2


def test_a_call_that_the_caller_gives_up_is_not_retried(echo: tuple[Echo, str]) -> None:
    _, address = echo
    channel = grpc.insecure_channel(address)
    method: Any = channel.unary_stream("/synthvlm.generation.v1.GenerationService/GenerateShard")
    call = method(b"")
    call.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    channel.close()
    assert isinstance(typed_error(caught.value), OperationCancelled)
