"""Blocking domain work on worker threads: cancellable, and with progress.

The event loop never runs model or storage code. A servicer hands a function of a ``Reporter`` to
``offload`` (item calls), ``stream`` (shard calls) or ``iterate`` (calls that stream many answers);
the reporter raises ``OperationCancelled`` in the worker thread as soon as the caller has gone, its
deadline has passed, or the server is past its time for draining.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from synthvlm.progress import Reporter
from synthvlm.serving.calls import Call, Context, current_call
from synthvlm.storage.v1 import shard_pb2

M = TypeVar("M", bound=Message)
R = TypeVar("R")
T = TypeVar("T")

_PROGRESS_SECONDS = 0.1
"""Least time between two messages of progress; what is reported in between is coalesced."""


class _CallReporter:
    """The caller of a call; used from the worker thread."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        del done, total, resumed, reused  # an item call has no progress to show
        self.check()

    def check(self) -> None:
        self._call.check()


class _StreamReporter(_CallReporter):
    """Keeps the newest progress and wakes the stream that sends it."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.newest: shard_pb2.ShardProgress | None = None
        self.changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        self.newest = shard_pb2.ShardProgress(
            done=done, total=total, resumed=resumed, reused=reused
        )
        self._loop.call_soon_threadsafe(self.changed.set)
        self.check()


async def offload(context: Context, work: Callable[[Reporter], R]) -> R:
    """Runs the work of an item call on a worker thread.

    Args:
        context: The call's context.
        work: Blocking work; it should poll its reporter's ``check``.

    Returns:
        What ``work`` returned.

    Raises:
        Exception: What ``work`` raised.
    """
    call = current_call(context)
    with _watched(call):
        return await asyncio.shield(_start(call, lambda: work(_CallReporter(call))))


async def stream(
    context: Context, response: type[M], work: Callable[[Reporter], M]
) -> AsyncIterator[M]:
    """Runs the work of a shard call on a worker thread and yields its progress as it comes.

    Args:
        context: The call's context.
        response: The call's response: a message with a field ``progress``.
        work: Blocking work; it reports its progress and returns the response that has the result.

    Yields:
        A response with the newest progress each time it has changed, at most ten a second, the last
        one always (all zeros if the work reported none), and finally the one that ``work``
        returned, with the last progress.

    Raises:
        Exception: What ``work`` raised.
    """
    call = current_call(context)
    reporter = _StreamReporter(call)
    sent: shard_pb2.ShardProgress | None = None

    def with_progress(progress: shard_pb2.ShardProgress) -> M:
        fields: dict[str, Any] = {"progress": progress}
        return response(**fields)

    with _watched(call):
        running = _start(call, lambda: work(reporter))
        running.add_done_callback(lambda _: reporter.changed.set())
        while not running.done():
            await reporter.changed.wait()
            reporter.changed.clear()
            if reporter.newest is not None and reporter.newest != sent and not running.done():
                sent = reporter.newest
                yield with_progress(sent)
                await asyncio.wait([running], timeout=_PROGRESS_SECONDS)
        result = await running
        last = reporter.newest or shard_pb2.ShardProgress()
        if last != sent:
            yield with_progress(last)
        result.MergeFrom(with_progress(last))
        yield result


async def iterate(context: Context, work: Callable[[Reporter], Iterator[T]]) -> AsyncIterator[T]:
    """Yields what a blocking iterator gives, one item ahead of the client at most.

    Each item is made on a worker thread, not always the same one.
    """
    call = current_call(context)
    with _watched(call):
        iterator = await asyncio.shield(_start(call, lambda: work(_CallReporter(call))))
        end = object()
        while True:
            item = await asyncio.shield(_start(call, lambda: next(iterator, end)))
            if item is end:
                return
            yield cast("T", item)


def _start(call: Call, work: Callable[[], R]) -> "asyncio.Future[R]":
    call.check()
    # The copy carries the call and the log's fields (run, shard, trace) into the thread.
    running = asyncio.get_running_loop().run_in_executor(
        call.executor, contextvars.copy_context().run, work
    )
    # An error that comes after the caller has gone has nobody to go to; asyncio would complain.
    running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    call.add_work(cast("asyncio.Future[object]", running))
    return running


@contextmanager
def _watched(call: Call) -> Iterator[None]:
    """Tells the call's work that nobody waits for it when the block is left by an error.

    gRPC cancels the task of a call whose caller has gone or whose deadline has passed, and closes
    its generator; the thread learns of it by the event.
    """
    try:
        yield
    except BaseException:
        call.gone.set()
        raise
