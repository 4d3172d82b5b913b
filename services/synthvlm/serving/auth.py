"""Who may call: bearer tokens, and TLS with or without client certificates."""

import hmac
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import grpc
import structlog

from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.serving.access.scopes import Caller
from synthvlm.serving.calls import Method
from synthvlm.serving.settings import ServiceSettings
from synthvlm.serving.watched_file import WatchedFile

_BEARER = "bearer "
_RETRY_SECONDS = 1.0

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]] | None
"""What a call carries beside its request."""

_log = structlog.get_logger(__name__)


class CallerCheck(ABC):
    """Decides who may call."""

    @abstractmethod
    async def check(self, metadata: Metadata, method: Method | None) -> object:
        """Who calls, as the service's own callers tell people apart; None: it does not.

        Args:
            metadata: What the call carries.
            method: What is called; None: a method that every server has, such as reflection.

        Raises:
            Unauthenticated: Nobody who may.
            PermissionDenied: Somebody who may not call this method.
            Unavailable: It cannot be told now.
        """

    def known(self, caller: Caller) -> object:
        """Somebody whom others vouch for, as the service tells people apart."""
        return caller

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Ends connections, after the last call."""


class TokenCheck(CallerCheck):
    """Accepts the calls that send the token that a file holds."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path)
        self._token()

    async def check(self, metadata: Metadata, method: Method | None) -> None:  # noqa: ARG002
        """Returns if the call's metadata has the token, which is enough for every method.

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
