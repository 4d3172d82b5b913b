"""The one interceptor around every call: auth, admission, errors, metrics and logs, in this order.

Each concern is a module of its own; here is only how they nest.
"""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health

from synthvlm.serving.admission import Admission
from synthvlm.serving.auth import TokenCheck
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

REQUEST_KEY = "x-request-id"
RUN_KEY = "x-synthvlm-run"
SHARD_KEY = "x-synthvlm-shard"
"""Metadata by which callers tell what a call belongs to."""

_HEALTH = f"/{health.SERVICE_NAME}/"

_log = structlog.get_logger(__name__)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Runs the service's own calls under all concerns, and others (reflection) under auth only.

    Health checks pass untouched: a probe has no token and must be answered under any load.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        admission: Admission,
        metrics: Metrics,
        executor: Executor,
        shutdown: Shutdown,
        token: TokenCheck | None,
    ) -> None:
        self._methods = methods
        self._admission = admission
        self._metrics = metrics
        self._executor = executor
        self._shutdown = shutdown
        self._token = token

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the handler of the method."""
        path = handler_call_details.method
        if path.startswith(_HEALTH):
            return await continuation(handler_call_details)
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
            foreign = Method(path, path.rpartition("/")[2], Kind.ITEM)
            return _wrap(handler, lambda context: self._authenticated(foreign, context))
        return _wrap(handler, lambda context: self._served(method, context))

    @asynccontextmanager
    async def _authenticated(self, method: Method, context: Context) -> AsyncIterator[None]:
        call = self._call(method, context)
        async with translated(context, call):
            self._check_token(context)
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
        structlog.contextvars.bind_contextvars(**{k: v for k, v in fields.items() if v})
        began = time.monotonic()
        self._admission.began()
        try:
            async with translated(context, call):
                self._check_token(context)
                place = await self._admission.enter(method.kind)
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

    def _check_token(self, context: Context) -> None:
        if self._token is not None:
            self._token.check(context.invocation_metadata())


def _wrap(handler: Any, around: Callable[[Context], Any]) -> Any:
    """The same handler, its behaviour run inside ``around(context)``."""
    shape = f"{_word(handler.request_streaming)}_{_word(handler.response_streaming)}"
    behaviour = getattr(handler, shape)

    async def answer(request: Any, context: Context) -> Any:
        async with around(context):
            return await behaviour(request, context)

    async def answers(request: Any, context: Context) -> AsyncIterator[Any]:
        async with around(context), aclosing(behaviour(request, context)) as responses:
            async for response in responses:
                yield response

    wrapped = answers if handler.response_streaming else answer
    return handler._replace(**{shape: wrapped})


def _word(streaming: bool) -> str:
    return "stream" if streaming else "unary"


async def _never_reached(_request: Any, _context: Context) -> None:
    raise AssertionError("admission rejects calls before the servicer is built")
