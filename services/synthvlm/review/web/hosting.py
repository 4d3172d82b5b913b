"""The page's HTTP server, inside the review service's process and event loop.

uvicorn runs beside gRPC's server: the process's lifecycle starts it, and stops it on SIGTERM.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import uvicorn

from synthvlm.review.people import Person
from synthvlm.review.web.app import origins_of, web_application
from synthvlm.review.web.settings import WebSettings

_MOST_CONNECTIONS = 1000
_STOP_SECONDS = 3
"""How long answers that are being sent may take once the service stops."""


class _QuietServer(uvicorn.Server):
    """A server that leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none: uvicorn would replace the handlers of the lifecycle, which drains calls."""
        yield


class Page:
    """The page as the service serves it beside its calls; see ``synthvlm.serving.service.Beside``.

    Args:
        settings: Of the page. Its address is bound at once.
        people: Who has a token now, by its digest; None: the service wants none.

    Attributes:
        address: Under which people open it; None: there is no page.

    Raises:
        OSError: The address cannot be bound.
    """

    def __init__(
        self, settings: WebSettings, people: Callable[[], Mapping[str, Person]] | None
    ) -> None:
        self._settings = settings
        self._people = people
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._origins: list[str] = []
        self.address: str | None = None
        if settings.listen is not None:
            host, _, port = settings.listen.rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            self._socket = socket.create_server((host.strip("[]"), int(port)), family=family)
            self._origins = origins_of(settings, f"{host}:{self._socket.getsockname()[1]}")
            self.address = self._origins[0]

    async def start(self, servicer: Any) -> None:
        """Serves what the servicer's ``reviews`` hold; returns once the page answers."""
        if self._socket is None:
            return
        application = web_application(servicer.reviews, self._settings, self._people, self._origins)
        config = uvicorn.Config(
            application,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _QuietServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.01)
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Sends the answers that have begun, and closes."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        elif self._socket is not None:
            self._socket.close()
