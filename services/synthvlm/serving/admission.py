"""Bounded admission: a limit of running calls of each kind, and a bounded queue before it.

gRPC's own ``maximum_concurrent_rpcs`` would reject health checks too; this counts only the calls of
the service itself. Everything here runs on the server's event loop.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping

from synthvlm.errors import QueueFull, Unavailable
from synthvlm.serving.calls import Kind

_SMOOTHING = 0.2
"""Weight of the newest service time in their moving average."""

_RETRY_SECONDS = (0.1, 60.0)
"""Least and most advice that is given."""

SHUTDOWN_RETRY_SECONDS = 1.0
"""How soon another replica, or this one's successor, may be tried."""


class Lane:
    """The calls of one kind: at most ``limit`` running and ``queue_limit`` waiting, in order."""

    def __init__(self, kind: Kind, limit: int, queue_limit: int) -> None:
        self.kind = kind
        self.limit = limit
        self.queue_limit = queue_limit
        self.running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._service_seconds = 0.0

    @property
    def queued(self) -> int:
        """Calls that wait for a place."""
        return len(self._waiting)

    def retry_after(self) -> float:
        """Seconds until a place is likely to be free, from the recent service time."""
        turns = (self.queued + 1) / self.limit
        least, most = _RETRY_SECONDS
        return min(most, max(least, self._service_seconds * turns))

    async def enter(self) -> "Place":
        """Waits for a place among the running calls.

        Cancelling the wait (the caller has gone, or its deadline has passed) leaves the queue.

        Raises:
            QueueFull: The queue is full.
            Unavailable: The server began to drain while the call waited.
        """
        if self.running < self.limit:
            self.running += 1
            return Place(self)
        if self.queued >= self.queue_limit:
            raise QueueFull(
                f"{self.running} {self.kind} calls are running and {self.queued} are waiting, "
                f"which is all that this service admits",
                self.retry_after(),
                {"kind": self.kind, "running": str(self.running), "waiting": str(self.queued)},
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The place was handed over in the moment in which the wait was cancelled.
                self._leave()
            else:
                self._forget(turn)
            raise
        return Place(self)

    def turn_away(self) -> None:
        """Rejects the calls that wait: the server drains."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(shutting_down())

    def release(self, seconds: float) -> None:
        """Frees the place of a call that ran for ``seconds``."""
        weight = _SMOOTHING if self._service_seconds else 1.0
        self._service_seconds += weight * (seconds - self._service_seconds)
        self._leave()

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                # The place changes hands: the number of running calls stays the same.
                turn.set_result(None)
                return
        self.running -= 1

    def _forget(self, turn: asyncio.Future[None]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)


class Place:
    """A place among the running calls; leave it exactly when the call's work has ended."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._since = time.monotonic()
        self._left = False

    def leave(self) -> None:
        """Frees the place. A second call does nothing."""
        if not self._left:
            self._left = True
            self._lane.release(time.monotonic() - self._since)


class Admission:
    """Decides which calls run, wait or are rejected."""

    def __init__(self, limits: Mapping[Kind, int], queue_limit: int) -> None:
        self.lanes = {kind: Lane(kind, limit, queue_limit) for kind, limit in limits.items()}
        self._idle = asyncio.Event()
        self._idle.set()
        self._unfinished = 0
        self._open = False

    @property
    def is_open(self) -> bool:
        """Whether calls are admitted."""
        return self._open

    def open(self) -> None:
        """Admits calls from now on: the service is warm."""
        self._open = True

    def close(self) -> None:
        """Admits no call any more and rejects those that wait: the server drains."""
        self._open = False
        for lane in self.lanes.values():
            lane.turn_away()

    async def enter(self, kind: Kind) -> Place:
        """Waits for a place for a call of ``kind``.

        Raises:
            QueueFull: As many calls as are admitted run and wait already.
            Unavailable: The service is not warm yet, or drains.
        """
        if not self._open:
            raise shutting_down()
        return await self.lanes[kind].enter()

    def began(self) -> None:
        """Counts a call that the server has to finish before it stops."""
        self._unfinished += 1
        self._idle.clear()

    def ended(self) -> None:
        """Counts a call of ``began`` as finished, its answer sent and its work ended."""
        self._unfinished -= 1
        if not self._unfinished:
            self._idle.set()

    @property
    def unfinished(self) -> int:
        """Calls that have not ended."""
        return self._unfinished

    async def idle(self) -> None:
        """Waits until no call is unfinished."""
        await self._idle.wait()


def shutting_down() -> Unavailable:
    """What a call is told that meets a server which does not serve."""
    return Unavailable("the service is starting or shutting down", SHUTDOWN_RETRY_SECONDS)
