"""The Triton servers of a service: which of them are usable, and which is called next."""

import threading
import time
from collections.abc import Collection, Sequence

import structlog

from synthvlm.errors import PreconditionFailed, Unavailable
from synthvlm.generation.identity import Identity
from synthvlm.generation.triton.endpoint import Endpoint, Tls

_WATCH_SECONDS = 0.25
RETRY_SECONDS = 2.0
"""How soon a caller that found no server may retry."""

_log = structlog.get_logger(__name__)


class Endpoints:
    """Servers that hold the same model; each call goes to the least busy of them.

    A thread keeps polling the unusable servers, so that a restarted one is used again once it has
    reported the same model as before.

    Args:
        addresses: ``host:port`` of each server.
        wanted: The model that they must hold.
        shared_bytes: See ``Endpoint``.
        tls: See ``Endpoint``.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        wanted: Identity,
        shared_bytes: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self._all = [Endpoint(address, shared_bytes, tls) for address in addresses]
        self._wanted = wanted
        self._identity: Identity | None = None
        self._turn = 0
        self._changed = threading.Condition()
        self._closed = False
        self._watcher = threading.Thread(target=self._watch, name="triton-watch", daemon=True)
        self._watcher.start()

    def wait(self, seconds: float) -> Identity:
        """Waits for the first server; returns the identity that all of them must have.

        Raises:
            PreconditionFailed: A server holds a different model.
            Unavailable: No server is usable after ``seconds``.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._identity or self._refusals(), seconds)
            if self._identity is None:
                raise self.problem()
            return self._identity

    def take(self, full: Collection[Endpoint] = ()) -> Endpoint | None:
        """Takes the server with the fewest calls, and counts one more; None if there is none.

        Args:
            full: Servers to skip.
        """
        with self._changed:
            usable = [one for one in self._all if one.ready and one not in full]
            if not usable:
                return None
            # Servers that are equally busy take turns.
            self._turn += 1
            start = self._turn % len(usable)
            chosen = min(usable[start:] + usable[:start], key=lambda one: one.calls)
            chosen.calls += 1
            return chosen

    def give_back(self, endpoint: Endpoint) -> None:
        """Counts a call of ``take`` as ended."""
        with self._changed:
            endpoint.calls -= 1

    def lost(self, endpoint: Endpoint, message: str) -> None:
        """Takes a server out of use until it answers again."""
        with self._changed:
            if endpoint.ready:
                _log.warning("lost a Triton server", address=endpoint.address, problem=message)
            endpoint.ready = False
            self._changed.notify_all()

    @property
    def calls(self) -> int:
        """Number of calls in progress."""
        return sum(one.calls for one in self._all)

    @property
    def ready(self) -> int:
        """Number of usable servers."""
        return sum(one.ready for one in self._all)

    def problem(self) -> PreconditionFailed | Unavailable:
        """The error to raise when no server is usable."""
        refusals = self._refusals()
        if refusals:
            return PreconditionFailed(
                f"a Triton server does not match this service: {'; '.join(refusals)}"
            )
        addresses = ", ".join(one.address for one in self._all)
        return Unavailable(f"no Triton server answers at {addresses}", RETRY_SECONDS)

    def close(self) -> None:
        """Closes all connections."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._watcher.join()
        for endpoint in self._all:
            endpoint.close()

    def _refusals(self) -> list[str]:
        return [f"{one.address}: {one.refusal}" for one in self._all if one.refusal]

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self.ready < len(self._all))
                if self._closed:
                    return
                waiting = [one for one in self._all if not one.ready]
            for endpoint in waiting:
                self._judge(endpoint)
            time.sleep(_WATCH_SECONDS)

    def _judge(self, endpoint: Endpoint) -> None:
        try:
            found = endpoint.ask()
        except PreconditionFailed as error:
            found, refusal = None, error.message
        else:
            if found is None:
                return
            refusal = (self._identity or self._wanted).difference(found)
        with self._changed:
            if refusal and refusal != endpoint.refusal:
                _log.error("refused a Triton server", address=endpoint.address, problem=refusal)
            endpoint.refusal = refusal
            if not refusal:
                _log.info("found a Triton server", address=endpoint.address)
                self._identity = self._identity or found
                endpoint.ready = True
            self._changed.notify_all()
