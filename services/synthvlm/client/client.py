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
"""Default time limit of an item call, including retries."""

OnProgress = Callable[[shard_pb2.ShardProgress], None]
"""Called with the progress of a shard call."""


class Client:
    """Base of the clients; safe to share between threads.

    A client has a method for each RPC. ``timeout`` limits all attempts together, in seconds; None:
    no limit. Errors of the service are raised as the classes of ``synthvlm.errors``; ``QueueFull``
    and ``Unavailable`` are retried first, following the policy.
    """

    service: ClassVar[ServiceDescriptor]

    def __init__(self, channel: grpc.Channel, retry: RetryPolicy | None = None) -> None:
        """A client of the service at the other end of ``channel`` (see ``connect``)."""
        self._channel = channel
        self._policy = retry or RetryPolicy()

    def wait_until_serving(self, seconds: float) -> None:
        """Waits until the service is ready.

        Raises:
            Unavailable: It is not ready after ``seconds``.
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
        """Calls a unary method. An unset ``request_id`` is filled in, so that retries are safe."""
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
        """Calls a streaming method; retries only until the first response has arrived."""
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
        """Calls a method that streams progress; returns the last response, which has the result.

        The whole idempotent call is repeated after retryable errors. A repeat resumes from what
        earlier attempts have committed. The retry period restarts whenever the call gets further,
        so that a shard of hours survives several restarts of the service.
        An exception from ``on_progress`` cancels the call.
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
        """The method's callable, created by ``make``, a factory of the channel."""
        return make(
            f"/{self.service.full_name}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )


def _identified(request: Q) -> Q:
    """The request with a new ``request_id``, if the field exists and is unset.

    A retry of a call whose response was lost then gets that response instead of repeating the work.
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
    """The responses of a streaming call, which is cancelled if they are not read to the end."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise typed_error(error) from error
    finally:
        call.cancel()
