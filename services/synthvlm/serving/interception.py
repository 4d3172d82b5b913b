"""The one interceptor around every call: errors, auth, admission, decoding, metrics and logs.

Each concern is a module of its own; here is only how they nest.
"""

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import Message
from grpc_health.v1 import health

from synthvlm.errors import OperationCancelled
from synthvlm.serving.admission import Admission
from synthvlm.serving.auth import CallerCheck
from synthvlm.serving.calls import (
    Call,
    Context,
    Kind,
    Method,
    Shutdown,
    enter_call,
    metadata_value,
)
from synthvlm.serving.errors import translated
from synthvlm.serving.metrics import Metrics
from synthvlm.serving.reception import receive, receive_small
from synthvlm.usage import work_for

REQUEST_KEY = "x-request-id"
RUN_KEY = "x-synthvlm-run"
SHARD_KEY = "x-synthvlm-shard"
"""Metadata by which callers tell what a call belongs to."""

_HEALTH = f"/{health.SERVICE_NAME}/"

Around: TypeAlias = Callable[[Method, Context], AbstractAsyncContextManager[None]]
Receive: TypeAlias = Callable[[Context, Method, bytes], Awaitable[Message]]

_log = structlog.get_logger(__name__)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Runs the service's own calls under all concerns, and others (reflection) under auth only.

    Health checks are only decoded: a probe has no token and must be answered under any load.

    Args:
        methods: The service's own methods, by their path.
        admission: Admits them.
        metrics: Counts them.
        executor: Threads for their work.
        shutdown: State of the server.
        token: Checks callers; None: anyone may call.
        send_seconds: How long a caller may take to take one answer of a stream.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        admission: Admission,
        metrics: Metrics,
        executor: Executor,
        shutdown: Shutdown,
        token: CallerCheck | None,
        send_seconds: float,
    ) -> None:
        self._methods = methods
        self._admission = admission
        self._metrics = metrics
        self._executor = executor
        self._shutdown = shutdown
        self._token = token
        self._send_seconds = send_seconds

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the handler of the method."""
        path = handler_call_details.method
        method = self._methods.get(path)
        if method is not None and not self._admission.is_open:
            # The handlers of the service come with its servicer, which is not built yet: answer
            # for them, UNIMPLEMENTED would be wrong.
            handler: Any = grpc.unary_unary_rpc_method_handler(_never_reached)
        else:
            handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if method is None:
            deserialize = handler.request_deserializer
            method = Method(path, path.rpartition("/")[2], Kind.ITEM, deserialize.__self__)
            return self._wrap(handler, method, self._foreign, receive_small)
        return self._wrap(handler, method, self._served, receive)

    @asynccontextmanager
    async def _foreign(self, method: Method, context: Context) -> AsyncIterator[None]:
        call = self._call(method, context)
        async with translated(context, call):
            if not method.path.startswith(_HEALTH):
                await self._check_token(context, None)
            yield

    @asynccontextmanager
    async def _served(self, method: Method, context: Context) -> AsyncIterator[None]:
        call = self._call(method, context)
        enter_call(call)
        metadata = context.invocation_metadata()
        fields = {
            "request_id": call.request_id,
            "run_id": metadata_value(metadata, RUN_KEY),
            "shard": metadata_value(metadata, SHARD_KEY),
        }
        work_for(fields["run_id"])
        structlog.contextvars.bind_contextvars(**{k: v for k, v in fields.items() if v})
        began = time.monotonic()
        self._admission.began()
        try:
            async with translated(context, call):
                call.caller = await self._check_token(context, method)
                place = await self._admission.enter(method.kind)
                self._metrics.admitted(method.kind, time.monotonic() - began)
                try:
                    yield
                finally:
                    # A thread may still be on its way to its next check: it holds the place.
                    call.when_idle(place.leave)
        finally:
            call.when_idle(self._admission.ended)
            seconds = time.monotonic() - began
            self._metrics.observe(call, seconds)
            _log.info(
                "call ended",
                method=method.name,
                code=call.code.name,
                seconds=round(seconds, 4),
                request_id=call.request_id,
            )

    def _call(self, method: Method, context: Context) -> Call:
        remaining = context.time_remaining()
        sent = metadata_value(context.invocation_metadata(), REQUEST_KEY)
        return Call(
            method,
            self._executor,
            self._shutdown,
            request_id=sent or uuid.uuid4().hex,
            deadline=None if remaining is None else time.monotonic() + remaining,
        )

    async def _check_token(self, context: Context, method: Method | None) -> object:
        if self._token is None:
            return None
        return await self._token.check(context.invocation_metadata(), method)

    def _wrap(self, handler: Any, method: Method, around: Around, receive: Receive) -> Any:
        """The same handler, its request decoded and its behaviour run inside ``around``.

        gRPC is told not to decode, so that what cannot be decoded is an error like any other.
        """
        shape = f"{_word(handler.request_streaming)}_{_word(handler.response_streaming)}"
        behaviour = getattr(handler, shape)

        async def received(sent: Any, context: Context) -> Any:
            if handler.request_streaming:
                return _each(sent, partial(receive, context, method))
            return await receive(context, method, sent)

        async def answer(sent: Any, context: Context) -> Any:
            with _ForgettingTraces():
                async with around(method, context):
                    return await behaviour(await received(sent, context), context)

        async def answers(sent: Any, context: Context) -> AsyncIterator[Any]:
            with _ForgettingTraces():
                async with around(method, context):
                    request = await received(sent, context)
                    async with aclosing(behaviour(request, context)) as responses:
                        async for response in responses:
                            await self._send(context, response)
            # This has to be a generator for the sake of the tracing, but an answer that it yielded
            # would wait for its reader without a limit.
            nothing: tuple[Any, ...] = ()
            for one in nothing:
                yield one

        # A behaviour that sends by itself, as that of health's Watch, is a coroutine like others.
        wrapped = answers if inspect.isasyncgenfunction(behaviour) else answer
        return handler._replace(request_deserializer=None, **{shape: wrapped})

    async def _send(self, context: Context, response: Any) -> None:
        try:
            async with asyncio.timeout(self._send_seconds):
                await context.write(response)
        except TimeoutError:
            raise OperationCancelled(
                f"the caller did not take an answer within {self._send_seconds:g} seconds",
                {"cause": "unread"},
            ) from None
        except grpc.aio.InternalError:
            # The caller has gone, and gRPC is about to cancel this task.
            raise asyncio.CancelledError from None


class _ForgettingTraces:
    """Has an error that ends a call let go of the request.

    By its traces it would hold every frame that it came through, and with them the request. Frames
    of context managers hold the error in turn, so this would last until garbage is collected. Not
    made by ``contextmanager``, which would put the trace back.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        while error is not None:
            error.__traceback__, error = None, error.__context__


async def _each(
    sent: AsyncIterator[bytes], receive_one: Callable[[bytes], Awaitable[Message]]
) -> AsyncIterator[Message]:
    async for data in sent:
        yield await receive_one(data)


def _word(streaming: bool) -> str:
    return "stream" if streaming else "unary"


async def _never_reached(_request: Any, _context: Context) -> None:
    raise AssertionError("admission rejects calls before the servicer is built")
