"""Metrics, logs and traces of real calls."""

import asyncio
import json
import logging
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext

from synthvlm.client import GenerationClient, RetryPolicy, connect
from synthvlm.client.call import Reflection
from synthvlm.errors import NotFound
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.serving.logs import configure_logs
from synthvlm.serving.testing import serving
from tests.serving.probe import SERVICE, ProbeSettings, image_request, shard_request
from tests.serving.scraping import samples
from tests.serving.waiting import until, until_exists

NO_RETRY = RetryPolicy(total_seconds=0)


async def test_metrics_count_calls_by_method_and_code(tmp_path: Path) -> None:
    settings = ProbeSettings(metrics_listen="127.0.0.1:0", max_item_calls=1)
    async with serving(SERVICE, settings) as server:
        assert server.metrics_address is not None
        with GenerationClient(connect(server.address), NO_RETRY) as client:

            async def generate(prompt: str) -> None:
                await asyncio.to_thread(client.generate_image, image_request(prompt))

            await generate("quick")
            await asyncio.to_thread(client.generate_shard, shard_request())
            with pytest.raises(NotFound):
                await generate("raise:NotFound")
            held = [
                asyncio.ensure_future(generate(f"hold:{tmp_path / name}")) for name in ("a", "b")
            ]
            await until(lambda: any(tmp_path.glob("*.started")))
            while (await samples(server.metrics_address))["synthvlm_probe_queued"] != {
                ("item",): 1.0,
                ("shard",): 0.0,
            }:
                await asyncio.sleep(0.01)
            busy = await samples(server.metrics_address)
            for name in ("a", "b"):
                (tmp_path / f"{name}.release").touch()
            await asyncio.gather(*held)
            await until(lambda: server.unfinished == 0)
            quiet = await samples(server.metrics_address)
    assert busy["synthvlm_probe_in_flight"] == {("item",): 1.0, ("shard",): 0.0}
    assert quiet["synthvlm_probe_in_flight"] == {("item",): 0.0, ("shard",): 0.0}
    assert quiet["synthvlm_probe_requests_total"] == {
        ("OK", "GenerateImage"): 3.0,
        ("OK", "GenerateShard"): 1.0,
        ("NOT_FOUND", "GenerateImage"): 1.0,
    }
    assert quiet["synthvlm_probe_request_seconds_count"][("GenerateImage",)] == 4.0
    assert quiet["synthvlm_probe_queue_seconds_count"] == {("item",): 4.0, ("shard",): 1.0}
    assert quiet["synthvlm_probe_queue_seconds_sum"][("item",)] > 0.01  # one waited for the other
    assert quiet["process_resident_memory_bytes"][()] > 0


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers, level = before[0], before[1]
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging_restored")
async def test_logs_are_json_with_the_ids_of_the_call(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = ProbeSettings()
    configure_logs(settings, "probe")
    metadata = {"x-request-id": "r1", "x-synthvlm-run": "run-7", "x-synthvlm-shard": "3"}
    async with serving(SERVICE, settings) as server:
        with GenerationClient(connect(server.address, metadata=metadata), NO_RETRY) as client:
            await asyncio.to_thread(client.generate_image, image_request("log"))
        with GenerationClient(connect(server.address), NO_RETRY) as client:
            await asyncio.to_thread(client.get_model, pb.GetModelRequest())
    logging.getLogger("library").warning("by %s", "the standard library", extra={"n": 1})
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    by_event = {entry["event"]: entry for entry in entries}
    for event in ("from a thread", "call ended"):
        entry = next(e for e in entries if e["event"] == event)
        assert entry["service"] == "probe"
        assert (entry["request_id"], entry["run_id"], entry["shard"]) == ("r1", "run-7", "3")
    # The second call's ids are its own.
    assert "run_id" not in by_event["call ended"]
    assert by_event["call ended"]["method"] == "GetModel"
    assert by_event["by the standard library"]["n"] == 1


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.update({span.name: span for span in scope.spans})
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[str, Collector]]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", collector
    server.stop(None)


async def test_traces_cover_unary_and_streaming_calls_and_continue_the_callers(
    collector: tuple[str, Collector],
) -> None:
    endpoint, collected = collector
    callers = TracerProvider().get_tracer("test")
    async with serving(SERVICE, ProbeSettings(otlp_endpoint=endpoint)) as server:

        def call() -> SpanContext:
            with GenerationClient(connect(server.address), NO_RETRY) as client:
                client.wait_until_serving(60)
                with callers.start_as_current_span("caller") as span:
                    client.generate_image(image_request("quick"))
                    assert client.generate_shard(shard_request()).generated == 3
                with pytest.raises(NotFound):
                    client.generate_image(image_request("raise:NotFound"))
            return span.get_span_context()

        caller = await asyncio.to_thread(call)

        # Reflection is a stream-stream call, on which the library's instrumentation breaks.
        def listed() -> list[str]:
            with connect(server.address) as channel:
                return [service.name for service in Reflection(channel).services()]

        assert "GenerationService" in await asyncio.to_thread(listed)
    prefix = "/synthvlm.generation.v1.GenerationService"
    assert set(collected.spans) == {f"{prefix}/GenerateImage", f"{prefix}/GenerateShard"}
    shard = collected.spans[f"{prefix}/GenerateShard"]
    assert shard.trace_id.hex() == trace.format_trace_id(caller.trace_id)
    assert shard.parent_span_id.hex() == trace.format_span_id(caller.span_id)
    image = collected.spans[f"{prefix}/GenerateImage"]
    assert image.trace_id.hex() != trace.format_trace_id(caller.trace_id)
    attributes = {entry.key: entry.value.int_value for entry in image.attributes}
    assert attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]


async def test_a_cancelled_stream_ends_its_span(
    collector: tuple[str, Collector], tmp_path: Path
) -> None:
    endpoint, collected = collector
    async with (
        serving(SERVICE, ProbeSettings(otlp_endpoint=endpoint)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = pb_grpc.GenerationServiceStub(channel)
        call = stub.GenerateShard(shard_request(f"hold:{tmp_path / 'a'}"))
        asyncio.ensure_future(call.read())  # noqa: RUF006 - ends with the call
        await until_exists(tmp_path / "a.started")
        call.cancel()
        await until_exists(tmp_path / "a.cancelled")
    assert [name.rpartition("/")[2] for name in collected.spans] == ["GenerateShard"]
