"""Typed errors as gRPC status with ``google.rpc`` details (AIP-193), and back.

The server turns what the domain raises into a status with ``status_of``; the clients turn that
status back into the same class with ``typed_error``.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyProto
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from synthvlm.errors import (
    AlreadyExists,
    DataCorrupt,
    DomainError,
    FieldViolation,
    InvalidInput,
    NotFound,
    OperationCancelled,
    OutOfSpace,
    PermissionDenied,
    PreconditionFailed,
    QueueFull,
    RetryableError,
    Unauthenticated,
    Unavailable,
)

DOMAIN = "synthvlm"
"""Domain of every ``google.rpc.ErrorInfo``."""

DETAILS_KEY = "grpc-status-details-bin"
"""Where gRPC's libraries look for the details."""

_MAX_MESSAGE_BYTES = 500
_MAX_TEXT_BYTES = 200
_MAX_STATUS_BYTES = 3_500
"""The trailers carry the status, base64-encoded, and the message, percent-encoded; by default peers
accept 8 KiB of both."""

_CLASSES: Mapping[str, type[DomainError]] = {
    error.code: error
    for error in (
        AlreadyExists,
        DataCorrupt,
        NotFound,
        PermissionDenied,
        PreconditionFailed,
        Unauthenticated,
    )
} | dict.fromkeys((OperationCancelled.code, "DEADLINE_EXCEEDED"), OperationCancelled)
"""Classes that take a message and metadata, by the name of their status code."""

_RETRYABLE = {error.code: error for error in (QueueFull, Unavailable)}

_CANCELLED_HERE = frozenset({"Locally cancelled by application!", "Channel closed!"})
"""What gRPC says of calls that this side gave up."""

CONNECTION_RETRY_SECONDS = 0.5
"""For UNAVAILABLE without RetryInfo: the connection itself failed. RESOURCE_EXHAUSTED without it
means that a message is too large, so a retry would not help."""

D = TypeVar("D", bound=Message)


def status_of(error: DomainError) -> status_pb2.Status:
    """The status with details that describes ``error`` to a client.

    Long texts are truncated, and field violations that exceed the size that peers accept are
    omitted; ``violations_omitted`` of ``ErrorInfo`` says how many.
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


def typed_error(error: Any) -> DomainError:
    """The error that the service raised, or the closest match for gRPC's status.

    Its metadata is that of ``ErrorInfo``, plus the status code and reason as ``grpc_code`` and
    ``reason``. Codes without a class of their own become plain ``DomainError``.

    Args:
        error: The ``grpc.RpcError`` that a call raised; both kinds of channel raise subclasses with
            the same methods, which ``RpcError`` itself does not have.
    """
    code: str = error.code().name
    message: str = error.details() or code
    details = _details(error)
    info = _detail(details, error_details_pb2.ErrorInfo)
    metadata = dict(info.metadata) if info is not None else {}
    metadata["grpc_code"] = code
    if info is not None and info.reason:
        metadata["reason"] = info.reason
    if code == InvalidInput.code:
        bad = _detail(details, error_details_pb2.BadRequest)
        violations = [
            FieldViolation(entry.field, entry.description)
            for entry in (bad.field_violations if bad is not None else ())
        ]
        invalid = InvalidInput(message, violations)
        invalid.metadata.update(metadata)
        return invalid
    retry = _detail(details, error_details_pb2.RetryInfo)
    if retry is not None and code in _RETRYABLE:
        return _RETRYABLE[code](message, retry.retry_delay.ToNanoseconds() / 1e9, metadata)
    # A server of grpc.aio that stops cancels calls that reach it just then. Nobody gave them up.
    cut_off = code == OperationCancelled.code and info is None and message not in _CANCELLED_HERE
    if code == Unavailable.code or cut_off:
        return Unavailable(message, CONNECTION_RETRY_SECONDS, metadata)
    if metadata.get("reason") == OutOfSpace.reason:
        return OutOfSpace(message, metadata)
    return _CLASSES.get(code, DomainError)(message, metadata)


def _fitting(error: InvalidInput, size: int) -> error_details_pb2.BadRequest:
    """The first violations, as many as fit in ``size`` bytes."""
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


def _clip(text: str, limit: int = _MAX_TEXT_BYTES) -> str:
    """At most ``limit`` bytes of UTF-8; lone surrogates, which cannot be sent, are replaced."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode("utf-8")
    return f"{encoded[: limit - 3].decode('utf-8', 'ignore')}…"


def _details(error: Any) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _detail(status: status_pb2.Status, kind: type[D]) -> D | None:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None
