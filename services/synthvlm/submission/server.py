"""Calls of a Kubeflow Pipelines server that survive a token that ran out and a server that is gone.

The generated client ``kfp_server_api`` is used as it is. ``kfp.Client`` above it is not: it waits
for ever for a run that was canceled, renews tokens of Google alone, prints links, and writes into
the user's folder.
"""

import ipaddress
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import kfp_server_api
import urllib3
from kfp_server_api.exceptions import ApiException

from synthvlm.errors import (
    AlreadyExists,
    DomainError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Unauthenticated,
    Unavailable,
)
from synthvlm.submission.tokens import Token

T = TypeVar("T")

Tell = Callable[[str], None]

_TIMEOUT = (10, 60)
"""Seconds for a connection and for an answer. The client ignores a number that is not whole."""

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_TOKEN_SECONDS = 90.0
"""How long a refused token is read again: the kubelet writes a new one within a minute."""

_TOKEN_WAIT = 5.0

_GONE = (429, 500, 502, 503, 504)
"""Statuses of a server, or a proxy before it, that will be well again; 500: of its database."""

_SIGN_IN = (
    ", as a proxy does for callers without a valid token; give one with --token-file or "
    "--token-command, or the URL of the API itself"
)

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""What a failure of TLS is called that waiting does not mend."""

IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
"""Where a pod of the cluster finds the server, unless it was installed elsewhere."""


class Clock:
    """Time as the calls see it."""

    def now(self) -> float:
        """Seconds that pass."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


@dataclass
class KfpServer:
    """A Kubeflow Pipelines server.

    Attributes:
        host: Its URL.
        token: What it wants; None: nothing.
        ca_file: PEM file of the authorities that may have issued its certificate; None: the usual.
        patience: Seconds that it may be gone, once it has answered.
        first_patience: Seconds to wait for its first answer.
        tell: Gets one line when it is gone, and one when it is back.
        clock: Time.
    """

    host: str
    token: Token | None = None
    ca_file: Path | None = None
    patience: float = 600.0
    first_patience: float = 15.0
    tell: Tell = field(default=lambda _line: None, repr=False)
    clock: Clock = field(default_factory=Clock, repr=False)

    def __post_init__(self) -> None:
        """Makes the client.

        Raises:
            InvalidInput: The URL is not one, or would send the token over the network in the clear.
        """
        _require_safe(self.host, has_token=self.token is not None)
        configuration = kfp_server_api.Configuration(host=self.host.rstrip("/"))
        # A redirect leads to a page to sign in, whose HTML would be taken for an answer.
        configuration.retries = False
        if self.ca_file is not None:
            configuration.ssl_ca_cert = str(self.ca_file)
        if self.token is not None:
            configuration.api_key = {"authorization": self.token.value()}
            configuration.api_key_prefix = {"authorization": "Bearer"}
        self._configuration = configuration
        self._client = kfp_server_api.ApiClient(configuration)
        self._answered = False
        self.runs = kfp_server_api.RunServiceApi(self._client)
        self.recurring = kfp_server_api.RecurringRunServiceApi(self._client)
        self.experiments = kfp_server_api.ExperimentServiceApi(self._client)
        self.pipelines = kfp_server_api.PipelineServiceApi(self._client)
        self.uploads = kfp_server_api.PipelineUploadServiceApi(self._client)
        self._health = kfp_server_api.HealthzServiceApi(self._client)

    def is_multi_user(self) -> bool:
        """Whether runs belong to namespaces; the first call, which shows that the server answers.

        Raises: as ``call``.
        """
        return bool(self.call(self._health.healthz_service_get_healthz).multi_user)

    def call(self, method: Callable[..., T], /, *arguments: Any, **options: Any) -> T:
        """Calls a method that may be repeated; repeats it while the server is gone.

        Raises:
            Unavailable: The server is gone for too long.
            Unauthenticated: It refuses the token, and no newer one comes.
            PermissionDenied: The caller may not do this.
            NotFound: There is no such thing.
            AlreadyExists: There is such a thing already.
            InvalidInput: The server refuses the request.
            PreconditionFailed: Anything else, for example a certificate that cannot be trusted.
        """
        return self._persisted(lambda: self.once(method, *arguments, **options))

    def once(self, method: Callable[..., T], /, *arguments: Any, **options: Any) -> T:
        """Calls a method once.

        Raises: as ``call``; ``Unavailable`` at once, when it may have been carried out.
        """
        try:
            result = method(*arguments, **options, _request_timeout=_TIMEOUT)
        except ApiException as error:
            raise self._meaning(error) from None
        except (AttributeError, UnicodeDecodeError) as error:
            # The client fails at an error without a body, or with one that is not text.
            if not isinstance(error.__context__, ApiException):
                raise
            raise self._meaning(error.__context__) from None
        except urllib3.exceptions.HTTPError as error:
            reason = self._shown(str(error))
            raise Unavailable(f"{self.host} does not answer: {reason}", _FIRST_WAIT) from None
        kind = str(self._client.last_response.getheader("Content-Type", ""))
        if kind.startswith("text/html"):  # the client would take it for an answer without content
            raise Unauthenticated(f"{self.host} answers with a web page{_SIGN_IN}")
        self._answered = True
        return result

    def created(self, find: Callable[[], T | None], create: Callable[..., T], **body: Any) -> T:
        """Finds what is to be created, or creates it.

        When the answer to a creation got lost, it looks again before it creates another.

        Raises: as ``call``.
        """

        def attempt() -> T:
            found = find()
            if found is not None:
                return found
            try:
                return self.once(create, **body)
            except AlreadyExists:
                found = find()
                if found is None:
                    raise
                return found

        return self._persisted(attempt)

    @property
    def answered(self) -> bool:
        """Whether the server has ever answered."""
        return self._answered

    def _persisted(self, attempt: Callable[[], T]) -> T:
        outage = _Outage(self)
        refused_since: float | None = None
        while True:
            try:
                result = attempt()
            except Unavailable as error:
                outage.wait(error)
            except Unauthenticated:
                now = self.clock.now()
                refused_since = now if refused_since is None else refused_since
                if not self._renewed(now - refused_since):
                    raise
            else:
                outage.end()
                return result

    def _renewed(self, refused_for: float) -> bool:
        """Takes a newer token, or waits for one that is due; whether to try again."""
        if self.token is None or refused_for > _TOKEN_SECONDS:
            return False
        refused = self.token.value()
        if self.token.renewed() == refused:
            if not self._answered:
                return False
            self.clock.sleep(_TOKEN_WAIT)
        self._configuration.api_key["authorization"] = self.token.value()
        return True

    def _meaning(self, error: ApiException) -> DomainError:
        status = error.status or 0
        reason = self._shown(_message(error))
        if status == 0 and _UNTRUSTED not in reason:
            return Unavailable(f"{self.host} does not answer: {reason}", _FIRST_WAIT)
        if status in _GONE:
            return Unavailable(f"{self.host} answers {status}: {reason}", _FIRST_WAIT)
        kinds: dict[int, type[DomainError]] = {
            401: Unauthenticated,
            403: PermissionDenied,
            404: NotFound,
            409: AlreadyExists,
            400: InvalidInput,
        }
        advice = {
            0: "; give the file of its authority with --ca",
            401: "; give a token with --token-file or --token-command",
        }
        if 300 <= status < 400:
            return Unauthenticated(f"{self.host} sends to another page{_SIGN_IN}")
        kind = kinds.get(status, PreconditionFailed)
        said = f"{self.host} cannot be trusted" if status == 0 else f"{self.host} answers {status}"
        return kind(f"{said}: {reason}{advice.get(status, '')}")

    def _shown(self, text: str) -> str:
        """One line without the token."""
        line = " ".join(text.split())[:500]
        return self.token.redacted(line) if self.token is not None else line


class _Outage:
    """How long the server has been gone, and what was said of it."""

    def __init__(self, server: KfpServer) -> None:
        self._server = server
        self._since: float | None = None
        self._wait = _FIRST_WAIT

    def wait(self, error: Unavailable) -> None:
        """Waits for longer and longer.

        Raises:
            Unavailable: It was long enough.
        """
        server = self._server
        now = server.clock.now()
        patience = server.patience if server.answered else server.first_patience
        if self._since is None:
            self._since = now
            server.tell(f"{error.message}; trying again for {patience:.0f} seconds")
        if now + self._wait - self._since > patience:
            raise Unavailable(
                f"{error.message}, for {now - self._since:.0f} seconds now", _FIRST_WAIT
            ) from None
        server.clock.sleep(self._wait)
        self._wait = min(2 * self._wait, _LONGEST_WAIT)

    def end(self) -> None:
        """The server has answered."""
        if self._since is not None:
            gone = self._server.clock.now() - self._since
            self._server.tell(f"{self._server.host} answers again after {gone:.0f} seconds")


def _message(error: ApiException) -> str:
    """What the server says, without headers: they may hold what a proxy adds."""
    try:
        content = json.loads(error.body or "")
        text = content.get("message") or content.get("error") or error.reason
    except (ValueError, AttributeError):  # not JSON, or not an object
        text = error.reason
    return str(text)


def _require_safe(host: str, *, has_token: bool) -> None:
    parts = urlsplit(host)
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not name or parts.username is not None:
        raise InvalidInput(
            "the URL of the pipelines server must look like https://host/path, without a user name"
        )
    if parts.scheme == "https" or not has_token:
        return
    if not _is_loopback(name) and not is_inside(host):
        raise InvalidInput(
            f"{parts.scheme}://{name} would send the token over the network in the clear; use https"
        )


def is_inside(host: str) -> bool:
    """Whether a URL names a Service of the cluster."""
    name = urlsplit(host).hostname or ""
    return bool(name) and (
        ("." not in name and ":" not in name and name != "localhost")
        or name.endswith((".svc", ".svc.cluster.local"))
    )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
