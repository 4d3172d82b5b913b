"""Tokens of ServiceAccounts, reviewed by the Kubernetes API server (authentication.k8s.io/v1)."""

import time
from typing import Any

import structlog

from synthvlm.errors import Unauthenticated
from synthvlm.serving.access.reviewer import AnswerError, JsonServer, unreachable
from synthvlm.serving.access.scopes import Caller, granted
from synthvlm.serving.access.settings import KubernetesAuth
from synthvlm.serving.access.unverified import Unverified
from synthvlm.serving.watched_file import WatchedFile

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"

_LEEWAY_SECONDS = 60

_log = structlog.get_logger(__name__)


class TokenReviewer:
    """Asks the API server who sends a token; see ``Reviewer``.

    The server knows what a signature does not: whether the pod that a token is bound to, and its
    ServiceAccount, still exist.

    Raises:
        OSError: A file of the settings cannot be read.
    """

    name = "kubernetes"

    def __init__(self, settings: KubernetesAuth, timeout_seconds: float) -> None:
        self._settings = settings
        self._token = WatchedFile(settings.token_file)
        self._token.read()
        self._server = JsonServer(settings.ca_file, timeout_seconds)

    def concerns(self, token: Unverified) -> bool:
        """Every token that no other reviewer knows: an API server may have several issuers."""
        del token
        return True

    async def review(self, token: str, unverified: Unverified) -> Caller:
        """Who sends a token; see ``Reviewer``."""
        expires = unverified.claims.get("exp")
        if isinstance(expires, int | float) and expires + _LEEWAY_SECONDS < time.time():
            # Not worth a question: most tokens that are refused were valid once.
            raise Unauthenticated("the token has expired")
        settings = self._settings
        try:
            bearer = self._token.read().decode().strip()
            answer = await self._server.ask(
                f"{settings.api_server}{_PATH}",
                content={
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "spec": {"token": token, "audiences": [settings.audience]},
                },
                bearer=bearer,
            )
            status = _mapping(answer.get("status"))
        except (AnswerError, OSError, ValueError) as error:
            _log.error(
                "tokens cannot be reviewed: is the API server reachable, and may this "
                "ServiceAccount create tokenreviews?",
                problem=str(error),
            )
            raise unreachable("the Kubernetes API server") from None
        if status.get("authenticated") is not True:
            raise Unauthenticated("Kubernetes does not know the token, or not for this audience")
        # A server that knows no audiences names none: its word would be for any of them.
        if settings.audience not in _texts(status.get("audiences")):
            raise Unauthenticated(f"the token is not for the audience {settings.audience}")
        user = _mapping(status.get("user"))
        name = str(user.get("username", ""))
        if not name:
            raise Unauthenticated("Kubernetes does not say whose token it is")
        return Caller(name, granted(settings.grants, name, _texts(user.get("groups"))))

    async def close(self) -> None:
        """Ends the connections to the API server."""
        await self._server.close()


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
