"""One RPC as the layers around it see it: its method, deadline, caller and unfinished work."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from synthvlm.errors import OperationCancelled

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
else:
    # The class is generic only for type checkers.
    Context = grpc.aio.ServicerContext


class Kind(StrEnum):
    """What a call costs, and so which limit admits it."""

    ITEM = "item"
    SHARD = "shard"


@dataclass(frozen=True)
class Method:
    """One RPC method: ``path`` as on the wire, ``name`` as in the proto, its kind and request."""

    path: str
    name: str
    kind: Kind
    request: type[Message]


def methods_of(descriptor: ServiceDescriptor) -> dict[str, Method]:
    """The methods of a service by their path on the wire.

    Server-streaming methods are shard calls, unary ones item calls.
    """
    methods = (
        Method(
            f"/{descriptor.full_name}/{method.name}",
            method.name,
            Kind.SHARD if method.server_streaming else Kind.ITEM,
            GetMessageClass(method.input_type),
        )
        for method in descriptor.methods
    )
    return {method.path: method for method in methods}


class Shutdown:
    """Whether the server still lets its work run.

    Attributes:
        expired: Set when the time for draining is over: work that is still running must stop.
    """

    def __init__(self) -> None:
        self.expired = threading.Event()


@dataclass
class Call:
    """The call that the current task serves.

    Attributes:
        method: What is called.
        executor: Worker threads for the call's work.
        shutdown: State of the server.
        request_id: The caller's id of this call, or one made here.
        deadline: When the caller stops waiting, on ``time.monotonic``'s clock; None: never.
        request_bytes: Size of its request, once that was received.
        gone: Set when the caller has cancelled or its deadline has passed.
        caller: Who calls, where the service tells people apart.
        code: Status that the call ended with.
    """

    method: Method
    executor: Executor
    shutdown: Shutdown
    request_id: str = ""
    deadline: float | None = None
    request_bytes: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    caller: object = None
    code: grpc.StatusCode = grpc.StatusCode.OK
    _work: set[asyncio.Future[object]] = field(default_factory=set)

    def check(self) -> None:
        """Returns while the call's work is wanted.

        Raises:
            OperationCancelled: The caller has gone, its deadline has passed, or the server stops.
        """
        if self.gone.is_set():
            raise OperationCancelled("the caller has gone", {"cause": "caller"})
        if self.past_deadline():
            raise OperationCancelled("the caller's deadline has passed", {"cause": "deadline"})
        if self.shutdown.expired.is_set():
            raise OperationCancelled("the service is shutting down", {"cause": "shutdown"})

    def past_deadline(self, slack: float = 0.0) -> bool:
        """Whether the caller has stopped waiting, or does within ``slack`` seconds."""
        return self.deadline is not None and time.monotonic() >= self.deadline - slack

    def add_work(self, work: asyncio.Future[object]) -> None:
        """Remembers work that may outlive the call: a thread only stops where it checks."""
        self._work.add(work)
        work.add_done_callback(self._work.discard)

    def when_idle(self, action: Callable[[], None]) -> None:
        """Calls ``action`` once all work of the call has ended, at once if it has."""
        remaining = len(self._work)
        if not remaining:
            action()
            return

        def ended(_: asyncio.Future[object]) -> None:
            nonlocal remaining
            remaining -= 1
            if not remaining:
                action()

        for work in self._work:
            work.add_done_callback(ended)


_current: ContextVar[Call] = ContextVar("synthvlm_call")


def current_call(context: Context) -> Call:
    """The call that the current task serves.

    Args:
        context: The context of the RPC, as the servicer has it.

    Raises:
        RuntimeError: The task serves no call: the servicer is not run by this package's server.
    """
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError(f"no call is being served in this task ({context})") from None


def enter_call(call: Call) -> None:
    """Makes ``call`` the current one of this task; gRPC runs each RPC in a task of its own."""
    _current.set(call)


def metadata_value(metadata: Iterable[tuple[str, str | bytes]] | None, key: str) -> str:
    """The first value of ``key`` in an RPC's metadata, at most 200 characters; empty if absent."""
    for name, value in metadata or ():
        if name == key:
            return (value if isinstance(value, str) else value.decode("utf-8", "replace"))[:200]
    return ""
