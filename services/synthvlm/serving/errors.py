"""Typed domain errors as gRPC status with ``google.rpc`` details (AIP-193), in one place."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyProto
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from synthvlm.errors import (
    DomainError,
    InvalidInput,
    OperationCancelled,
    OutOfSpace,
    RetryableError,
)
from synthvlm.serving.admission import shutting_down
from synthvlm.serving.calls import Call, Context

DOMAIN = "synthvlm"
"""Domain of every ``google.rpc.ErrorInfo``."""

DETAILS_KEY = "grpc-status-details-bin"
"""Where gRPC's libraries look for the details."""

_MAX_MESSAGE_BYTES = 500
_MAX_TEXT_BYTES = 200
_MAX_STATUS_BYTES = 3_500
"""A status travels base64-coded in the trailers, beside the message, percent-coded; peers accept
8 KiB of both by default."""

_TIMER_SLACK_SECONDS = 0.05
"""How much earlier than ours gRPC's timer may end a call."""

_STATUS_SECONDS = 1.0
"""How long a call waits until its status is sent."""

_FULL_MESSAGE = "the service has no space left on its disk for temporary files (TMPDIR)"
_FULL_RETRY_SECONDS = 10.0

_log = structlog.get_logger(__name__)


def status_of(error: DomainError) -> status_pb2.Status:
    """The status with details that tells a client of ``error``.

    Long texts are cut, and field violations that do not fit the size that peers accept are left
    out; ``ErrorInfo`` says how many, under ``violations_omitted``.
    """
    status = status_pb2.Status(
        code=grpc.StatusCode[error.code].value[0], message=_clip(error.message, _MAX_MESSAGE_BYTES)
    )
    if isinstance(error, RetryableError):
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    metadata = {key: _clip(value) for key, value in error.metadata.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    if isinstance(error, InvalidInput) and error.violations:
        fitting = _fitting(error, _MAX_STATUS_BYTES - status.ByteSize() - info.ByteSize())
        omitted = len(error.violations) - len(fitting.field_violations)
        if omitted:
            info.metadata["violations_omitted"] = str(omitted)
        _add(status, fitting)
    _add(status, info)
    return status


def _fitting(error: InvalidInput, size: int) -> error_details_pb2.BadRequest:
    """The first violations, as many as have ``size`` bytes."""
    details = error_details_pb2.BadRequest()
    for violation in error.violations:
        details.field_violations.add(
            field=_clip(violation.field), description=_clip(violation.description)
        )
        if details.ByteSize() > size:
            del details.field_violations[-1]
            break
    return details


def _add(status: status_pb2.Status, detail: Message) -> None:
    packed = AnyProto()
    packed.Pack(detail)
    status.details.append(packed)


async def abort(context: Context, call: Call, error: DomainError) -> NoReturn:
    """Ends the call with the status of ``error``."""
    status = status_of(error)
    call.code = grpc.StatusCode[error.code]
    trailers = ((DETAILS_KEY, status.SerializeToString()),)
    try:
        async with asyncio.timeout(_STATUS_SECONDS):
            await context.abort(call.code, status.message, trailers)
    except TimeoutError:
        # It waits behind answers that the caller does not read, and goes out when it does.
        raise asyncio.CancelledError from None
    raise AssertionError("abort raises")


@asynccontextmanager
async def translated(context: Context, call: Call) -> AsyncIterator[None]:
    """Turns what the block raises into the status that the caller gets.

    Domain errors keep their code, message and details. Anything else is a defect of ours: it is
    logged with its trace, and the caller learns no more than the id to ask about.
    """
    try:
        yield
    except OperationCancelled as error:
        cause = error.metadata.get("cause")
        if cause == "deadline":
            # The caller's own timer may be a little behind: its error must be the same.
            call.code = grpc.StatusCode.DEADLINE_EXCEEDED
            await context.abort(call.code, error.message)
        # Work that a shutdown stopped may go on elsewhere: unlike a caller's own cancellation,
        # that is worth another try.
        await abort(context, call, shutting_down() if cause == "shutdown" else error)
    except DomainError as error:
        await abort(context, call, error)
    except grpc.aio.AbortError:
        call.code = _code_set_by(context)
        raise
    except (asyncio.CancelledError, GeneratorExit):
        # A stream whose caller has gone is cancelled where it waits, or closed where it yields.
        late = call.past_deadline(slack=_TIMER_SLACK_SECONDS)
        call.code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
        raise
    except Exception as error:
        if disk_is_full(error):
            _log.error("the disk is full", method=call.method.name, problem=str(error))
            await abort(context, call, OutOfSpace(_FULL_MESSAGE, _FULL_RETRY_SECONDS))
        _log.exception("unexpected error", method=call.method.name)
        call.code = grpc.StatusCode.INTERNAL
        await context.abort(
            call.code, f"internal error; the service's log has it as request {call.request_id}"
        )


def disk_is_full(error: Exception) -> bool:
    """Whether the error says that nothing more can be written."""
    if not isinstance(error, OSError):
        return False
    # Where nothing at all can be written, Python finds no folder for temporary files.
    nowhere = str(error.strerror).startswith("No usable temporary directory")
    return nowhere or error.errno in (errno.ENOSPC, errno.EDQUOT)


def _code_set_by(context: Context) -> grpc.StatusCode:
    number = context.code()
    return next(code for code in grpc.StatusCode if number in (code, code.value[0]))


def _clip(text: str, limit: int = _MAX_TEXT_BYTES) -> str:
    """At most ``limit`` bytes of UTF-8; lone surrogates, which cannot be sent, are replaced."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode("utf-8")
    return f"{encoded[: limit - 3].decode('utf-8', 'ignore')}…"
