"""Clients that block: for pipelines, the command line and scripts."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Any, ClassVar, Generic, Self, TypeVar

import grpc
import tenacity
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.client.errors import typed_error
from synthvlm.client.methods import OnProgress, Wire
from synthvlm.client.retry import RetryPolicy, Window
from synthvlm.client.timing import Deadline
from synthvlm.errors import DomainError, Unavailable

Q = TypeVar("Q", bound=Message)
P = TypeVar("P", bound=Message)
R = TypeVar("R")

ITEM_SECONDS = 60.0
"""Time limit of an item call, retries included, unless another is given."""


class UnaryCall(Generic[Q, P]):
    """A method with one answer."""

    def __init__(self, method: Any, wire: Wire[Q, P], policy: RetryPolicy) -> None:
        self._method = method
        self._wire = wire
        self._policy = policy

    def __call__(self, request: Q, *, timeout: float | None = ITEM_SECONDS) -> P:
        """Calls, and tries again while the service says that it is worth it.

        Args:
            request: The request; an unset ``request_id`` is filled in, so that retries are safe.
            timeout: Seconds for all tries together; None: no limit.

        Raises:
            DomainError: What the service raised, as its class of ``synthvlm.errors``.
        """
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)
        attempts = tenacity.Retrying(**window.arguments(time.sleep))
        answer: P = attempts(self._once, self._wire.identified(request), deadline)
        return answer

    def _once(self, request: Q, deadline: Deadline) -> P:
        try:
            answer: P = self._method(request, timeout=deadline.remaining())
        except grpc.RpcError as error:
            raise typed_error(error) from error
        return answer


class StreamCall(Generic[Q, P]):
    """A method with many answers."""

    def __init__(self, method: Any, policy: RetryPolicy) -> None:
        self._method = method
        self._policy = policy

    def __call__(self, request: Q, *, timeout: float | None = None) -> Iterator[P]:
        """Calls and yields the answers; tries again only while there has been none.

        Args:
            request: The request.
            timeout: Seconds for everything together; None: no limit.

        Raises:
            DomainError: What the service raised, as its class of ``synthvlm.errors``.
        """
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)
        attempts = tenacity.Retrying(**window.arguments(time.sleep))
        responses, first = attempts(self._begin, request, deadline)
        if first is not None:
            yield first
            yield from responses

    def _begin(self, request: Q, deadline: Deadline) -> tuple[Iterator[P], P | None]:
        responses = _responses(self._method(request, timeout=deadline.remaining()))
        return responses, next(responses, None)


class ShardCall(Generic[Q, P, R]):
    """A method that streams progress and answers with its result last."""

    def __init__(self, method: Any, policy: RetryPolicy, result: Callable[[P], R | None]) -> None:
        self._method = method
        self._policy = policy
        self._result = result

    def __call__(
        self, request: Q, *, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> R:
        """Calls, and repeats the whole idempotent call while the service says that it is worth it.

        A repeat resumes at what earlier tries have committed. The time for retries starts anew
        whenever it gets further, so that a shard of hours survives several restarts of the service.

        Args:
            request: The request.
            on_progress: Called with each progress. What it raises cancels the call.
            timeout: Seconds for all tries together; None: no limit.

        Raises:
            DomainError: What the service raised, as its class of ``synthvlm.errors``.
        """
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)
        attempts = tenacity.Retrying(**window.arguments(time.sleep))
        result: R = attempts(partial(self._once, request, deadline, window, on_progress))
        return result

    def _once(
        self, request: Q, deadline: Deadline, window: Window, on_progress: OnProgress | None
    ) -> R:
        last: Any = None
        with closing(_responses(self._method(request, timeout=deadline.remaining()))) as responses:
            for last in responses:
                if not last.HasField("progress"):
                    continue
                window.progressed(last.progress.done)
                if on_progress is not None:
                    on_progress(last.progress)
        result = self._result(last) if last is not None else None
        if result is None:
            raise DomainError("the service ended the call without a result")
        return result


class Client:
    """Base of the synchronous clients; safe to share between threads."""

    service: ClassVar[ServiceDescriptor]

    def __init__(self, channel: grpc.Channel, retry: RetryPolicy | None = None) -> None:
        """A client of the service at the other end of ``channel`` (see ``connect``)."""
        self._channel = channel
        self._policy = retry or RetryPolicy()

    def unary(self, wire: Wire[Q, P]) -> UnaryCall[Q, P]:
        """A unary method of this client."""
        return UnaryCall(wire.on(self._channel), wire, self._policy)

    def streaming(self, wire: Wire[Q, P]) -> StreamCall[Q, P]:
        """A streaming method of this client."""
        return StreamCall(wire.on(self._channel), self._policy)

    def shard(self, wire: Wire[Q, P], result: Callable[[P], R | None]) -> ShardCall[Q, P, R]:
        """A shard method of this client."""
        return ShardCall(wire.on(self._channel), self._policy, result)

    def wait_until_serving(self, seconds: float) -> None:
        """Returns when the service is warm.

        Raises:
            Unavailable: It is not after ``seconds``.
        """
        deadline = Deadline(seconds)
        health: Any = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service=self.service.full_name)
        problem = "not serving yet"
        while (remaining := deadline.remaining() or 0.0) > 0:
            try:
                answer = health.Check(request, timeout=remaining, wait_for_ready=True)
            except grpc.RpcError as error:
                problem = str(typed_error(error))
            else:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            time.sleep(min(0.1, remaining))
        raise Unavailable(f"{self.service.name} is not ready after {seconds} s: {problem}", 1.0)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _responses(call: Any) -> Generator[Any, None, None]:
    """The answers of a streaming call, which is cancelled when they are not read to the end."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise typed_error(error) from error
    finally:
        call.cancel()
