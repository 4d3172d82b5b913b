"""Channels to the services: message size, keepalive, load balancing, TLS, and call metadata."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from opentelemetry import propagate

from synthvlm.errors import InvalidInput

MAX_MESSAGE_MIB = 48
"""The servers' default: pairs to score can have 32 MiB."""

_KEEPALIVE_MS = 300_000
"""Servers treat more frequent pings as abuse and close the connection."""

_SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'
"""A headless Kubernetes Service resolves to every replica: use all of them."""


def channel_options(max_message_mib: int = MAX_MESSAGE_MIB) -> list[tuple[str, Any]]:
    """Options of every channel to a service."""
    size = max_message_mib * 2**20
    return [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.service_config", _SERVICE_CONFIG),
        # Reconnect soon after a service restarts; the default waits up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # The client retries (honouring RetryInfo); gRPC's own retries would multiply them.
        ("grpc.enable_retries", 0),
    ]


def connect(
    address: str,
    *,
    token: str | Path | None = None,
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    metadata: Mapping[str, str] | None = None,
    max_message_mib: int = MAX_MESSAGE_MIB,
) -> grpc.Channel:
    """A channel for the clients. It connects on first use.

    Args:
        address: ``host:port``, ``dns:///name:port`` or ``unix:/path``.
        token: Bearer token, or the file that holds it (read for each call, as it may change).
        ca_file: PEM file of the CAs that may have signed the server's certificate; enables TLS.
        certificate_file: PEM file of the client's certificate, if the server requires one.
        key_file: PEM file of its key.
        metadata: Sent with every call, for example ``x-synthvlm-run``, in addition to the current
            trace.
        max_message_mib: Largest message, in MiB.

    Raises:
        OSError: A file cannot be read.
        InvalidInput: A certificate or key is given without ``ca_file``; plain text ignores them.
    """
    options = channel_options(max_message_mib)
    credentials = _credentials(ca_file, certificate_file, key_file)
    if credentials is None:
        channel = grpc.insecure_channel(address, options)
    else:
        channel = grpc.secure_channel(address, credentials, options)
    return grpc.intercept_channel(channel, _AddMetadata(_metadata_source(token, metadata)))


def _credentials(
    ca_file: Path | None, certificate_file: Path | None, key_file: Path | None
) -> grpc.ChannelCredentials | None:
    if ca_file is None:
        if certificate_file is not None or key_file is not None:
            raise InvalidInput("a client certificate and key need a ca_file, which enables TLS")
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=ca_file.read_bytes(),
        private_key=key_file.read_bytes() if key_file is not None else None,
        certificate_chain=certificate_file.read_bytes() if certificate_file is not None else None,
    )


_Source = Callable[[], list[tuple[str, str]]]


def _metadata_source(token: str | Path | None, metadata: Mapping[str, str] | None) -> _Source:
    def source() -> list[tuple[str, str]]:
        entries = list((metadata or {}).items())
        if token is not None:
            text = token.read_text("utf-8").strip() if isinstance(token, Path) else token
            entries.append(("authorization", f"Bearer {text}"))
        trace: dict[str, str] = {}
        propagate.inject(trace)
        entries.extend(trace.items())
        return entries

    source()
    return source


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Iterable[tuple[str, str | bytes]] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


def _with_metadata(details: Any, source: _Source) -> _Details:
    return _Details(
        details.method,
        details.timeout,
        [*(details.metadata or ()), *source()],
        details.credentials,
        details.wait_for_ready,
        getattr(details, "compression", None),
    )


class _AddMetadata(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the metadata to every call of a channel."""

    def __init__(self, source: _Source) -> None:
        self._source = source

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_with_metadata(details, self._source), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_with_metadata(details, self._source), request)

    def intercept_stream_stream(
        self, continuation: Any, details: Any, requests: Iterator[Any]
    ) -> Any:
        return continuation(_with_metadata(details, self._source), requests)
