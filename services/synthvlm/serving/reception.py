"""Requests on their way in: bytes become a message, and the message the values of its model.

Both are done on a worker thread unless the request is small, so that no request holds the event
loop. A call is authenticated and admitted by then: what is wrong with its bytes is told, counted
and logged like any other error.
"""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from pydantic import BaseModel

from synthvlm.errors import InvalidInput
from synthvlm.serving.calls import Context, Method, current_call
from synthvlm.serving.offload import offload
from synthvlm.serving.validation import parse
from synthvlm.serving.wire import check_wire, undecodable

M = TypeVar("M", bound=BaseModel)

SMALL_BYTES = 8 * 2**10
"""Up to this size a request is decoded and validated at once: in a few milliseconds at most."""


async def receive(context: Context, method: Method, data: bytes) -> Message:
    """The request of a call.

    Args:
        context: The call's context.
        method: What is called.
        data: The request as it was sent.

    Raises:
        InvalidInput: The bytes are not a message of the method's type, or one that would take too
            much memory.
    """
    current_call(context).request_bytes = len(data)
    if len(data) <= SMALL_BYTES:
        return _decode(method, data)

    def work() -> Message:
        check_wire(data, method.request.DESCRIPTOR)
        return _decode(method, data)

    return await offload(context, lambda _: work())


async def receive_small(_context: Context, method: Method, data: bytes) -> Message:
    """The request of a method of another service, such as health checks: all of them are small.

    Raises:
        InvalidInput: The bytes are too many, or not a message of the method's type.
    """
    if len(data) > SMALL_BYTES:
        raise InvalidInput(
            f"the request has {len(data)} bytes; at most {SMALL_BYTES} are allowed for this method"
        )
    return _decode(method, data)


def _decode(method: Method, data: bytes) -> Message:
    try:
        return method.request.FromString(data)
    except DecodeError:
        # The decoder's own text names classes of Python and says no more.
        raise undecodable(method.request.DESCRIPTOR.full_name) from None


async def validated(context: Context, model: type[M], request: Message) -> M:
    """The values of a request; every method of a servicer begins with this.

    Args:
        context: The call's context.
        model: The request's model; see ``RequestModel``.
        request: The message.

    Raises:
        InvalidInput: The request is wrong; see ``parse``.
    """
    # Not the message's own ByteSize, which takes 30 to 100 ms of the largest ones.
    if current_call(context).request_bytes <= SMALL_BYTES:
        return parse(model, request)
    return await offload(context, lambda _: parse(model, request))
