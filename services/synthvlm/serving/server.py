"""The gRPC server of one service: it listens early, warms up, serves, and drains."""

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.sdk.trace import TracerProvider

import synthvlm
from synthvlm.atomic_files import write_atomically
from synthvlm.serving.admission import Admission
from synthvlm.serving.auth import CallerCheck, server_credentials
from synthvlm.serving.calls import Kind, Method, Shutdown, methods_of
from synthvlm.serving.interception import CallInterceptor
from synthvlm.serving.metrics import Metrics, MetricsEndpoint
from synthvlm.serving.reception import SMALL_BYTES
from synthvlm.serving.service import Beside, Service
from synthvlm.serving.settings import ServiceSettings
from synthvlm.serving.tracing import tracer_provider, tracing_interceptor

S = TypeVar("S", bound=ServiceSettings)

MAX_OPEN_CALLS = 1000
"""Calls that a connection may have open; further ones wait at the client. Each takes 21 KiB."""

_STOP_SECONDS = 2.0
"""How long work that was told to stop may take to notice."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_log = structlog.get_logger(__name__)


class Server(Generic[S]):
    """One service being served.

    ``start`` binds and answers health checks with NOT_SERVING, ``warm_up`` builds the servicer and
    begins to serve, ``drain`` ends it. All three run on one event loop.

    Attributes:
        address: Where it listens, as a client's target; set by ``start``.
        metrics_address: ``host:port`` of the metrics; None when they are off.
        health_address: Of the health-only port; None when it is off.
    """

    def __init__(self, service: Service[S], settings: S) -> None:
        self._service = service
        self._settings = settings
        self._names = ("", service.descriptor.full_name)
        self._health = health.aio.HealthServicer()
        self._shutdown = Shutdown()
        limits = {Kind.ITEM: settings.max_item_calls, Kind.SHARD: settings.max_shard_calls}
        self._admission = Admission(limits, settings.max_queued_calls)
        self._metrics = Metrics(service.word, self._admission)
        self._executor = ThreadPoolExecutor(sum(limits.values()), f"{service.word}-call")
        self._callers: CallerCheck | None = None
        self._tracing: TracerProvider | None = None
        self._endpoint: MetricsEndpoint | None = None
        self._server: grpc.aio.Server | None = None
        self._health_server: grpc.aio.Server | None = None
        self._servicer: Any = None
        self._beside: Beside | None = None
        self._hurry = asyncio.Event()
        self._address_text = ""
        self.address = ""
        self.metrics_address: str | None = None
        self.health_address: str | None = None

    async def start(self) -> None:
        """Binds the addresses and answers health checks and reflection.

        Raises:
            RuntimeError: An address cannot be bound.
            OSError: A certificate, key or token cannot be read.
        """
        settings, service = self._settings, self._service
        for name in self._names:
            await self._health.set(name, _NOT_SERVING)
        if settings.metrics_listen is not None:
            self._endpoint = MetricsEndpoint(settings.metrics_listen, self._metrics.registry)
            self.metrics_address = self._endpoint.address
        self._server = self._make_server()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (service.descriptor.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.address = _bind(self._server, settings.listen, server_credentials(settings))
        if service.beside is not None:
            self._beside = service.beside(settings)
        if settings.health_listen is not None:
            self._health_server = grpc.aio.server(
                interceptors=[self._interceptor({}, None)], options=_options(settings, SMALL_BYTES)
            )
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
            self.health_address = _bind(self._health_server, settings.health_listen, None)
            await self._health_server.start()
        await self._server.start()
        if settings.address_file is not None:
            content = {"address": self.address, "pid": os.getpid()}
            if self.page is not None:
                content["page"] = self.page
            self._address_text = json.dumps({**content, "settings": settings.effective()})
            settings.address_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(settings.address_file, self._address_text)
        _log.info("listening", address=self.address, health=self.health_address)

    async def warm_up(self) -> None:
        """Builds the servicer on a thread, then serves.

        Raises:
            Exception: What building the servicer raised.
        """
        self._servicer = await _on_thread(
            f"{self._service.word}-build", lambda: self._service.build(self._settings)
        )
        self._service.register(self._servicer, self._server)
        if self._beside is not None:
            await self._beside.start(self._servicer)
        self._admission.open()
        for name in self._names:
            await self._health.set(name, _SERVING)
        _log.info("serving", address=self.address, profile=self._settings.profile)

    async def drain(self) -> None:
        """Stops admitting, lets running calls finish, and closes.

        Calls that still run after ``drain_seconds`` are told to stop and end as UNAVAILABLE.
        """
        await self._health.enter_graceful_shutdown()
        self._admission.close()
        _log.info("draining", unfinished=self.unfinished)
        if self._beside is not None:
            await self._beside.stop()
        idle = asyncio.ensure_future(self._admission.idle())
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait(
            {idle, hurry},
            timeout=self._settings.drain_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        hurry.cancel()
        if self.unfinished:
            _log.warning("stopping unfinished calls", unfinished=self.unfinished)
        self._shutdown.expired.set()
        await asyncio.wait({idle}, timeout=_STOP_SECONDS)
        idle.cancel()
        if self.unfinished:
            _log.warning("abandoning unfinished calls", unfinished=self.unfinished)
        await self._close()

    def hurry(self) -> None:
        """Cuts the wait of ``drain`` short."""
        self._hurry.set()

    @property
    def page(self) -> str | None:
        """Where people open what is served beside the calls; None: there is nothing."""
        return None if self._beside is None else self._beside.address

    @property
    def unfinished(self) -> int:
        """Calls that run or wait, also those whose caller has gone but whose work has not ended."""
        return self._admission.unfinished

    async def _close(self) -> None:
        for server in (self._server, self._health_server):
            if server is not None:
                await server.stop(grace=0.5)
        if self._callers is not None:
            await self._callers.close()
        self._remove_address_file()
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.close)
        if self._servicer is not None and self._service.close is not None and not self.unfinished:
            await asyncio.to_thread(self._service.close, self._servicer)
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.shutdown)
        self._executor.shutdown(wait=False, cancel_futures=True)
        _log.info("stopped")

    def _remove_address_file(self) -> None:
        """Removes the address file, unless it is missing or a successor's by now."""
        path = self._settings.address_file
        if path is not None and path.exists() and path.read_text("utf-8") == self._address_text:
            path.unlink()

    def _make_server(self) -> grpc.aio.Server:
        settings, service = self._settings, self._service
        methods = methods_of(service.descriptor)
        self._callers = service.caller_check(settings)
        interceptors: list[grpc.aio.ServerInterceptor] = [self._interceptor(methods, self._callers)]
        if settings.otlp_endpoint is not None:
            self._tracing = tracer_provider(
                settings.otlp_endpoint, service.word, synthvlm.__version__
            )
            interceptors.insert(0, tracing_interceptor(self._tracing, frozenset(methods)))
        options = _options(settings, service.max_request_bytes)
        return grpc.aio.server(interceptors=interceptors, options=options)

    def _interceptor(
        self, methods: Mapping[str, Method], token: CallerCheck | None
    ) -> CallInterceptor:
        return CallInterceptor(
            methods,
            self._admission,
            self._metrics,
            self._executor,
            self._shutdown,
            token,
            self._settings.send_seconds,
        )


def _options(settings: ServiceSettings, max_request_bytes: int) -> list[tuple[str, int]]:
    size = settings.max_message_mib * 2**20
    age: list[tuple[str, int]] = []
    if settings.max_connection_age_seconds:
        grace = settings.max_connection_age_grace_seconds
        age = [
            ("grpc.max_connection_age_ms", round(settings.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", round(grace * 1000)),
        ]
    return [
        *age,
        ("grpc.max_receive_message_length", min(size, max_request_bytes)),
        ("grpc.max_send_message_length", size),
        # gRPC inflates a message before it looks at its size, and before anyone is asked for a
        # token: compressed ones are refused by their header.
        ("grpc.compression_enabled_algorithms_bitset", 1 << grpc.Compression.NoCompression),
        # A call whose message never comes reaches no code of ours that could end it.
        ("grpc.max_concurrent_streams", MAX_OPEN_CALLS),
        # Without this a second server on the same port would silently share its calls.
        ("grpc.so_reuseport", 0),
        # Clients that keep idle connections alive do it every five minutes.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 240_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _bind(server: grpc.aio.Server, listen: str, credentials: grpc.ServerCredentials | None) -> str:
    if credentials is None:
        port = server.add_insecure_port(listen)
    else:
        port = server.add_secure_port(listen, credentials)
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


async def _on_thread(name: str, work: Any) -> Any:
    """Runs ``work`` on a daemon thread: a shutdown does not wait for a model that still loads."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def finish(value: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)

    def run() -> None:
        try:
            value, error = work(), None
        except BaseException as raised:
            value, error = None, raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, value, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
