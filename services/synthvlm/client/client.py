"""What every client does: calls with retries, progress and typed errors."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, ClassVar, Self, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.client.retry import RetryPolicy, Window
from synthvlm.client.timing import Deadline
from synthvlm.errors import DomainError, Unavailable
from synthvlm.grpc_errors import typed_error
from synthvlm.storage.v1 import shard_pb2

Q = TypeVar("Q", bound=Message)
P = TypeVar("P", bound=Message)

ITEM_SECONDS = 60.0
"""Time limit of an item call, retries included, unless another is given."""

OnProgress = Callable[[shard_pb2.ShardProgress], None]
"""Is told how far a shard call is."""


class Client:
    """Base of the clients; safe to share between threads.

    A client has a method for each RPC. ``timeout`` bounds all tries together, in seconds; None: no
    limit. What the service raises is raised as its class of ``synthvlm.errors``; ``QueueFull`` and
    ``Unavailable`` are retried first, as the policy says.
    """

    service: ClassVar[ServiceDescriptor]

    def __init__(self, channel: grpc.Channel, retry: RetryPolicy | None = None) -> None:
        """A client of the service at the other end of ``channel`` (see ``connect``)."""
        self._channel = channel
        self._policy = retry or RetryPolicy()

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

    def _unary(self, method: str, request: Message, response: type[P], timeout: float | None) -> P:
        """Calls a method with one answer.

        An unset ``request_id`` is filled in, so that retries are safe.
        """
        call = self._wired(self._channel.unary_unary, method, request, response)
        identified = _identified(request)
        deadline = Deadline(timeout)

        def attempt() -> P:
            try:
                answer: P = call(identified, timeout=deadline.remaining())
            except grpc.RpcError as error:
                raise typed_error(error) from error
            return answer

        return Window(self._policy, deadline).retried(attempt)

    def _stream(
        self, method: str, request: Message, response: type[P], timeout: float | None
    ) -> Iterator[P]:
        """Calls a method with many answers; tries again only while there has been none."""
        call = self._wired(self._channel.unary_stream, method, request, response)
        deadline = Deadline(timeout)

        def attempt() -> tuple[Iterator[P], P | None]:
            responses = _responses(call(request, timeout=deadline.remaining()))
            return responses, next(responses, None)

        responses, first = Window(self._policy, deadline).retried(attempt)
        if first is not None:
            yield first
            yield from responses

    def _shard(
        self,
        method: str,
        request: Message,
        response: type[P],
        on_progress: OnProgress | None,
        timeout: float | None,
    ) -> P:
        """Calls a method that streams progress; returns the last answer, which has the result.

        The whole idempotent call is repeated while the service says that it is worth it. A repeat
        resumes at what earlier tries have committed. The time for retries starts anew whenever it
        gets further, so that a shard of hours survives several restarts of the service.
        What ``on_progress`` raises cancels the call.
        """
        call = self._wired(self._channel.unary_stream, method, request, response)
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)

        def attempt() -> P:
            last: Any = None
            with closing(_responses(call(request, timeout=deadline.remaining()))) as responses:
                for last in responses:
                    if not last.HasField("progress"):
                        continue
                    window.progressed(last.progress.done)
                    if on_progress is not None:
                        on_progress(last.progress)
            if last is None or not _has_result(last):
                raise DomainError("the service ended the call without a result")
            answer: P = last
            return answer

        return window.retried(attempt)

    def _wired(self, make: Any, method: str, request: Message, response: type[Message]) -> Any:
        """The method as an attribute of the channel."""
        return make(
            f"/{self.service.full_name}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )


def _identified(request: Q) -> Q:
    """The request with a ``request_id`` of its own, if it can have one and has none.

    So that a retry of a call that did not get its answer gets that answer, and the work is not done
    twice.
    """
    field = "request_id"
    if field not in request.DESCRIPTOR.fields_by_name or getattr(request, field):
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    setattr(copy, field, uuid.uuid4().hex)
    return copy


def _has_result(response: Message) -> bool:
    return any(field.name != "progress" for field, _ in response.ListFields())


def _responses(call: Any) -> Generator[Any, None, None]:
    """The answers of a streaming call, which is cancelled when they are not read to the end."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise typed_error(error) from error
    finally:
        call.cancel()
