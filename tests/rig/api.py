"""Calls of the Kubernetes API: JSON in, JSON out, over one connection that is kept."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server refused a call."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:500]}")
        self.status = status


class Api:
    """A caller with a client certificate."""

    def __init__(self, port: int, ca: Path, cert: Path, key: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(cert, key)
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=context, timeout=120
        )

    def __call__(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> Any:
        """The answer: an object, or text where it is not JSON.

        Raises:
            ApiError: The server refused.
            OSError: It cannot be reached.
        """
        data = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, data, {"Content-Type": kind})
            response = self._connection.getresponse()
            text = response.read().decode()
        except Exception:
            self._connection.close()
            raise
        if response.status >= 400:
            raise ApiError(response.status, text)
        return json.loads(text) if text.startswith("{") else text
