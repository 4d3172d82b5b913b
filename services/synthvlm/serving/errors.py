"""What a call raises, as the status that ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import grpc
import structlog

from synthvlm.disk_space import full_temporary_folder_text, is_disk_full
from synthvlm.errors import DomainError, OperationCancelled, OutOfSpace
from synthvlm.grpc_errors import DETAILS_KEY, status_of
from synthvlm.serving.admission import shutting_down
from synthvlm.serving.calls import Call, Context

_TIMER_SLACK_SECONDS = 0.05
"""How much earlier than ours gRPC's timer may end a call."""

_STATUS_SECONDS = 1.0
"""How long a call waits until its status is sent."""

_log = structlog.get_logger(__name__)


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
        if is_disk_full(error):  # stores say so themselves: this is the folder of temporary files
            _log.error("disk full", method=call.method.name, problem=str(error))
            await abort(
                context, call, OutOfSpace(full_temporary_folder_text(), {"folder": "TMPDIR"})
            )
        _log.exception("unexpected error", method=call.method.name)
        call.code = grpc.StatusCode.INTERNAL
        await context.abort(
            call.code, f"internal error; the service's log has it as request {call.request_id}"
        )


def _code_set_by(context: Context) -> grpc.StatusCode:
    number = context.code()
    return next(code for code in grpc.StatusCode if number in (code, code.value[0]))
