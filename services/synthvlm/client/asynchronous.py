"""Clients for asyncio: for services and programs that make many calls at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
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
from synthvlm.client.synchronous import ITEM_SECONDS
from synthvlm.client.timing import Deadline
from synthvlm.errors import DomainError, Unavailable

Q = TypeVar("Q", bound=Message)
P = TypeVar("P", bound=Message)
R = TypeVar("R")


class AsyncUnaryCall(Generic[Q, P]):
    """A method with one answer; as ``synchronous.UnaryCall``."""

    def __init__(self, method: Any, wire: Wire[Q, P], policy: RetryPolicy) -> None:
        self._method = method
        self._wire = wire
        self._policy = policy

    async def __call__(self, request: Q, *, timeout: float | None = ITEM_SECONDS) -> P:
        """Calls; arguments and errors as ``synchronous.UnaryCall``."""
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)
        attempts = tenacity.AsyncRetrying(**window.arguments(asyncio.sleep))
        answer: P = await attempts(self._once, self._wire.identified(request), deadline)
        return answer

    async def _once(self, request: Q, deadline: Deadline) -> P:
        try:
            answer: P = await self._method(request, timeout=deadline.remaining())
        except grpc.RpcError as error:
            raise typed_error(error) from error
        return answer


class AsyncStreamCall(Generic[Q, P]):
    """A method with many answers; as ``synchronous.StreamCall``."""

    def __init__(self, method: Any, policy: RetryPolicy) -> None:
        self._method = method
        self._policy = policy

    async def __call__(self, request: Q, *, timeout: float | None = None) -> AsyncIterator[P]:
        """Calls; arguments and errors as ``synchronous.StreamCall``."""
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)
        attempts = tenacity.AsyncRetrying(**window.arguments(asyncio.sleep))
        begun: tuple[Any, P | None] = await attempts(self._begin, request, deadline)
        responses, first = begun
        if first is not None:
            async with aclosing(responses):
                yield first
                async for response in responses:
                    yield response

    async def _begin(self, request: Q, deadline: Deadline) -> tuple[Any, P | None]:
        responses = _responses(self._method(request, timeout=deadline.remaining()))
        return responses, await anext(responses, None)


class AsyncShardCall(Generic[Q, P, R]):
    """A method that streams progress and answers with its result last."""

    def __init__(self, method: Any, policy: RetryPolicy, result: Callable[[P], R | None]) -> None:
        self._method = method
        self._policy = policy
        self._result = result

    async def __call__(
        self, request: Q, *, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> R:
        """Calls; arguments and errors as ``synchronous.ShardCall``."""
        deadline = Deadline(timeout)
        window = Window(self._policy, deadline)
        attempts = tenacity.AsyncRetrying(**window.arguments(asyncio.sleep))
        result: R = await attempts(partial(self._once, request, deadline, window, on_progress))
        return result

    async def _once(
        self, request: Q, deadline: Deadline, window: Window, on_progress: OnProgress | None
    ) -> R:
        last: Any = None
        call = self._method(request, timeout=deadline.remaining())
        async with aclosing(_responses(call)) as responses:
            async for last in responses:
                if not last.HasField("progress"):
                    continue
                window.progressed(last.progress.done)
                if on_progress is not None:
                    on_progress(last.progress)
        result = self._result(last) if last is not None else None
        if result is None:
            raise DomainError("the service ended the call without a result")
        return result


class AsyncClient:
    """Base of the asynchronous clients."""

    service: ClassVar[ServiceDescriptor]

    def __init__(self, channel: grpc.aio.Channel, retry: RetryPolicy | None = None) -> None:
        """A client of the service at the other end of ``channel`` (see ``connect_async``)."""
        self._channel = channel
        self._policy = retry or RetryPolicy()

    def unary(self, wire: Wire[Q, P]) -> AsyncUnaryCall[Q, P]:
        """A unary method of this client."""
        return AsyncUnaryCall(wire.on(self._channel), wire, self._policy)

    def streaming(self, wire: Wire[Q, P]) -> AsyncStreamCall[Q, P]:
        """A streaming method of this client."""
        return AsyncStreamCall(wire.on(self._channel), self._policy)

    def shard(self, wire: Wire[Q, P], result: Callable[[P], R | None]) -> AsyncShardCall[Q, P, R]:
        """A shard method of this client."""
        return AsyncShardCall(wire.on(self._channel), self._policy, result)

    async def wait_until_serving(self, seconds: float) -> None:
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
                answer = await health.Check(request, timeout=remaining, wait_for_ready=True)
            except grpc.RpcError as error:
                problem = str(typed_error(error))
            else:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(min(0.1, remaining))
        raise Unavailable(f"{self.service.name} is not ready after {seconds} s: {problem}", 1.0)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _responses(call: Any) -> AsyncGenerator[Any, None]:
    """The answers of a streaming call, which is cancelled when they are not read to the end."""
    try:
        async for response in call:
            yield response
    except grpc.RpcError as error:
        raise typed_error(error) from error
    finally:
        call.cancel()
