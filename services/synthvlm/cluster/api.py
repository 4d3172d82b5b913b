"""Calls of the Kubernetes API that outlive a server that is away for a while."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tenacity
from kubernetes import client, config
from kubernetes.client.rest import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from synthvlm.errors import (
    AlreadyExists,
    DomainError,
    InvalidInput,
    PermissionDenied,
    PreconditionFailed,
    Unauthenticated,
    Unavailable,
)

_TIMEOUTS = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""
_LONGEST_PAUSE = 15
_TOKEN_SECONDS = 60
"""How long a new token may take to reach the file that it is read from."""
_PASSING = {401, 408, 410, 429}
"""Status codes of what may be otherwise the next time, besides those from 500."""


class Api:
    """The API server of the cluster that this process runs in, or of the current context.

    Args:
        patience_seconds: How long a call is repeated while the server is away, overloaded or
            refuses a token that was replaced meanwhile.

    Raises:
        PreconditionFailed: There are no credentials for a cluster.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._client = _connected()

    def get(self, path: str, **query: str) -> dict[str, Any] | None:
        """An object, or a list of objects; None: there is none."""
        return self._json("GET", path, query)

    def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Creates an object.

        Raises:
            AlreadyExists: There is one of its name. After a lost answer it may be this very one.
            PreconditionFailed: The cluster does not serve the kind, or has no such namespace.
        """
        if self._json("POST", path, {"fieldManager": "synthvlm"}, dict(body)) is None:
            raise PreconditionFailed(
                f"the cluster has no {path}: check that Kubeflow Trainer is installed and that the "
                f"namespace exists"
            )

    def delete(self, path: str) -> bool:
        """Deletes an object once all that belongs to it is gone; whether there is one."""
        return self._json("DELETE", path, {"propagationPolicy": "Foreground"}) is not None

    def text(self, path: str, patience_seconds: float, **query: str) -> str | None:
        """Text, such as a log; None: there is none. It has a patience of its own."""
        content = self._call("GET", path, query, None, patience_seconds)
        return None if content is None else content.decode(errors="replace")

    def _json(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None
    ) -> dict[str, Any] | None:
        content = self._call(method, path, query, body, self._patience)
        return None if content is None else json.loads(content)

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Any, patience: float
    ) -> bytes | None:
        repeated = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=_LONGEST_PAUSE),
            stop=_GivesUp(patience),
            before_sleep=self._before_next,
            reraise=True,
        )
        try:
            return repeated(self._called, method, path, query, body)
        except ApiException as error:
            if error.status == 404:
                return None
            raise _translated(error, method, path) from error
        except (ConfigException, HTTPError, OSError) as error:
            raise Unavailable(
                f"the Kubernetes API at {self._client.configuration.host} cannot be reached: "
                f"{error}",
                _LONGEST_PAUSE,
            ) from error

    def _called(self, method: str, path: str, query: Mapping[str, str], body: Any) -> bytes:
        answer = self._client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "application/json, */*", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _preload_content=False,
            _request_timeout=_TIMEOUTS,
        )
        content: bytes = answer.data
        return content

    def _before_next(self, state: tenacity.RetryCallState) -> None:
        if _status(state) == 401:
            self._client = _connected()


@dataclass(frozen=True)
class _GivesUp:
    patience: float

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        patience = min(self.patience, _TOKEN_SECONDS) if _status(state) == 401 else self.patience
        return (state.seconds_since_start or 0) >= patience


def _connected() -> client.ApiClient:
    """A client with the credentials as they are now."""
    configuration = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(
                os.environ.get("KUBECONFIG"), client_configuration=configuration
            )
    except ConfigException as error:
        raise PreconditionFailed(f"there are no credentials for a cluster: {error}") from error
    configuration.retries = False  # those below know which calls may be repeated
    return client.ApiClient(configuration)


def _status(state: tenacity.RetryCallState) -> int | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.status if isinstance(error, ApiException) else None


def _passes(error: BaseException) -> bool:
    if isinstance(error, ApiException):
        return error.status is None or error.status in _PASSING or error.status >= 500
    # The file of the token may be empty for a moment.
    return isinstance(error, ConfigException | HTTPError | OSError)


def _translated(error: ApiException, method: str, path: str) -> DomainError:
    try:
        message = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    told = f"{method} {path}: {error.status}: {message}"
    match error.status:
        case 400 | 422:
            return InvalidInput(f"the Kubernetes API refuses this: {told}")
        case 401:
            return Unauthenticated(f"the Kubernetes API knows no such token: {told}")
        case 403:
            return PermissionDenied(
                f"the step's ServiceAccount lacks a right, which the chart gives to "
                f"pipelines.serviceAccount: {told}"
            )
        case 409:
            return AlreadyExists(told)
        case status if status is not None and status < 500:
            return PreconditionFailed(f"the Kubernetes API refuses this: {told}")
    return Unavailable(f"the Kubernetes API cannot answer: {told}", _LONGEST_PAUSE)
