"""What says who sends a token, and how it is asked over HTTP."""

import json
import ssl
from pathlib import Path
from typing import Any, Protocol

import httpx2

from synthvlm.errors import Unavailable
from synthvlm.serving.access.scopes import Caller
from synthvlm.serving.access.unverified import Unverified

RETRY_SECONDS = 1.0

_MAX_ANSWER_BYTES = 2**20


class Reviewer(Protocol):
    """Vouches for tokens.

    Attributes:
        name: In metrics and logs.
    """

    name: str

    def concerns(self, token: Unverified) -> bool:
        """Whether a token looks like one of its own."""

    async def review(self, token: str, unverified: Unverified) -> Caller:
        """Who sends it.

        Raises:
            Unauthenticated: It is not valid.
            Unavailable: It cannot be told now.
        """

    async def close(self) -> None:
        """Ends its connections."""


class AnswerError(Exception):
    """A server cannot be reached, or what it answers makes no sense; the message says what."""


def unreachable(what: str) -> Unavailable:
    """The error of a caller whose token cannot be judged; the log has the cause."""
    return Unavailable(
        f"the service cannot check tokens now: {what} does not answer", RETRY_SECONDS
    )


class JsonServer:
    """Asks a server for JSON over connections that are kept, without following redirects.

    Args:
        ca_file: PEM file of its authority; None: those that the system trusts.
        timeout_seconds: Longest wait for each step of an answer.

    Raises:
        OSError: The file cannot be read.
    """

    def __init__(self, ca_file: Path | None, timeout_seconds: float) -> None:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._client = httpx2.AsyncClient(
            verify=context, timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )

    async def ask(
        self, url: str, *, content: Any = None, bearer: str | None = None
    ) -> dict[str, Any]:
        """The JSON object at ``url``: by GET, or by POST of ``content`` as JSON.

        Raises:
            AnswerError: There is none.
        """
        headers = {"accept": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        method = "GET" if content is None else "POST"
        try:
            request = self._client.build_request(method, url, json=content, headers=headers)
            response = await self._client.send(request, stream=True)
            try:
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _MAX_ANSWER_BYTES:
                        raise AnswerError(f"{url} answers with more than {_MAX_ANSWER_BYTES} bytes")
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # Of the error its kind and text alone: the request holds tokens.
            raise AnswerError(f"{url}: {type(error).__name__} {error}") from None
        if not response.is_success:
            raise AnswerError(f"{url} answers with status {response.status_code}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise AnswerError(f"{url} answers with something that is not a JSON object")
        return found

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()
