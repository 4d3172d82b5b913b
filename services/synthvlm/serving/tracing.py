"""OpenTelemetry traces of a service's calls; off unless a collector is named."""

from collections.abc import Collection
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def tracer_provider(endpoint: str, word: str, version: str) -> TracerProvider:
    """A provider that sends the spans of ``synthvlm-<word>`` to the collector at ``endpoint``."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"synthvlm-{word}", "service.version": version})
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def tracing_interceptor(
    provider: TracerProvider, paths: Collection[str]
) -> grpc.aio.ServerInterceptor:
    """Makes one span of each call of the methods ``paths``.

    Only those: the library's aio instrumentation breaks on stream-stream calls, which reflection
    is, and health checks would drown the rest.
    """

    def wanted(details: Any) -> bool:
        return details.method in paths

    interceptor: grpc.aio.ServerInterceptor = aio_server_interceptor(  # type: ignore[no-untyped-call]
        tracer_provider=provider, filter_=wanted
    )
    return interceptor
