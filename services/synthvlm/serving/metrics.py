"""Prometheus metrics of a service, under its word as prefix."""

from functools import partial
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import start_http_server

from synthvlm.serving.admission import Admission
from synthvlm.serving.calls import Call, Kind

_ITEM_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SHARD_SECONDS = (120, 300, 600, 1800, 3600, 7200)
_QUEUE_SECONDS = (0.01, 0.1, 1, 5, 15, 30, 60, 120, 300, 900, 3600)


class Metrics:
    """What one server counts.

    Attributes:
        registry: Metrics of this server and those of the process (``prometheus_client.REGISTRY``,
            where domain modules keep theirs).
    """

    def __init__(self, word: str, admission: Admission) -> None:
        # One registry a server: tests run several services in one process.
        self.registry = CollectorRegistry()
        self.registry.register(REGISTRY)
        prefix = f"synthvlm_{word}"
        self._requests = Counter(
            f"{prefix}_requests",
            "Calls that ended, by method and gRPC status code.",
            ["method", "code"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            f"{prefix}_request_seconds",
            "Seconds from a call's arrival to its end, waiting included.",
            ["method"],
            buckets=_ITEM_SECONDS + _SHARD_SECONDS,
            registry=self.registry,
        )
        self._queue_seconds = Histogram(
            f"{prefix}_queue_seconds",
            "Seconds that calls waited before they ran.",
            ["kind"],
            buckets=_QUEUE_SECONDS,
            registry=self.registry,
        )
        in_flight = Gauge(
            f"{prefix}_in_flight", "Calls that run.", ["kind"], registry=self.registry
        )
        queued = Gauge(f"{prefix}_queued", "Calls that wait.", ["kind"], registry=self.registry)
        for kind in Kind:
            lane = admission.lanes[kind]
            in_flight.labels(kind).set_function(partial(getattr, lane, "running"))
            queued.labels(kind).set_function(partial(getattr, lane, "queued"))

    def admitted(self, kind: Kind, seconds: float) -> None:
        """Counts a call that begins to run after it waited for ``seconds``."""
        self._queue_seconds.labels(kind).observe(seconds)

    def observe(self, call: Call, seconds: float) -> None:
        """Counts a call that has ended."""
        self._requests.labels(call.method.name, call.code.name).inc()
        self._seconds.labels(call.method.name).observe(seconds)


class MetricsEndpoint:
    """The metrics in plain HTTP at ``/metrics``."""

    def __init__(self, address: str, registry: CollectorRegistry) -> None:
        host, _, port = address.rpartition(":")
        self._server: WSGIServer
        self._thread: Thread
        self._server, self._thread = start_http_server(
            int(port), addr=host.strip("[]"), registry=registry
        )
        self.address = f"{host}:{self._server.server_port}"

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
