"""Who may call: bearer tokens, and TLS with or without client certificates."""

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeAlias

import grpc
import structlog

from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.serving.settings import ServiceSettings

_BEARER = "bearer "
_RETRY_SECONDS = 1.0

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]] | None
"""What a call carries beside its request."""

_log = structlog.get_logger(__name__)


class CallerCheck(Protocol):
    """Decides who may call."""

    def check(self, metadata: Metadata) -> object:
        """Who calls, as the service's own callers tell people apart; None: it does not.

        Raises:
            Unauthenticated: Nobody who may.
            Unavailable: It cannot be told now.
        """


class WatchedFile:
    """A secret's file: read again when it has changed, as mounted Kubernetes secrets do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._content = b""

    def read(self) -> bytes:
        """The file's present content.

        Raises:
            OSError: It cannot be read.
        """
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._stamp:
            self._content = self.path.read_bytes()
            self._stamp = stamp
        return self._content


class TokenCheck:
    """Accepts the calls that send the token that a file holds."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path)
        self._token()

    def check(self, metadata: Metadata) -> None:
        """Returns if the call's metadata has the token.

        Raises:
            Unauthenticated: It has none, or another one.
            Unavailable: The file cannot be read or is empty by now. Nobody is let in: the old token
                may have been taken away on purpose.
        """
        try:
            expected = self._token()
        except (OSError, ValueError) as error:
            _log.error("the token cannot be read", problem=str(error))
            raise Unavailable(
                "the service cannot check tokens now: its token file is empty or cannot be read",
                _RETRY_SECONDS,
            ) from None
        if not hmac.compare_digest(bearer_token(metadata).encode(), expected):
            raise Unauthenticated("send the service's token as metadata `authorization: Bearer …`")

    def _token(self) -> bytes:
        token = self._file.read().strip()
        if not token:
            # An empty token would equal the one of a caller that sends none.
            raise ValueError(f"the token file {self._file.path} is empty")
        return token


def bearer_token(metadata: Metadata) -> str:
    """The token that a call carries; empty if it carries none."""
    sent = next((value for key, value in metadata or () if key == "authorization"), "")
    text = sent if isinstance(sent, str) else sent.decode("utf-8", "replace")
    return text[len(_BEARER) :].strip() if text.lower().startswith(_BEARER) else ""


def server_credentials(settings: ServiceSettings) -> grpc.ServerCredentials | None:
    """TLS as the settings ask for it; None: plain text.

    The files are read again for new connections when they have changed, so that certificates can be
    renewed while the service runs.

    Raises:
        OSError: A file cannot be read.
    """
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    certificate = WatchedFile(settings.tls_certificate_file)
    key = WatchedFile(settings.tls_key_file)
    authorities = settings.tls_client_ca_file
    client_ca = WatchedFile(authorities) if authorities is not None else None

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(key.read(), certificate.read())],
            root_certificates=client_ca.read() if client_ca is not None else None,
        )

    return grpc.dynamic_ssl_server_credentials(
        configuration(), configuration, require_client_authentication=client_ca is not None
    )
