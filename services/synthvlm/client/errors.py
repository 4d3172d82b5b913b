"""A gRPC status back into the typed error that the service raised."""

from collections.abc import Mapping
from typing import Any, TypeVar

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
    PreconditionFailed,
    QueueFull,
    Unauthenticated,
    Unavailable,
)

_DETAILS_KEY = "grpc-status-details-bin"

_CLASSES: Mapping[str, type[DomainError]] = {
    error.code: error
    for error in (
        AlreadyExists,
        DataCorrupt,
        NotFound,
        PreconditionFailed,
        Unauthenticated,
    )
} | dict.fromkeys((OperationCancelled.code, "DEADLINE_EXCEEDED"), OperationCancelled)
"""Classes that take a message and metadata, by the name of their status code."""

_RETRYABLE = {error.code: error for error in (QueueFull, Unavailable)}
_RETRYABLE_REASONS = {OutOfSpace.reason: OutOfSpace}
"""Classes that take the time to wait, too; by reason where several have one code."""

CONNECTION_RETRY_SECONDS = 0.5
"""For UNAVAILABLE without advice: the connection itself failed. RESOURCE_EXHAUSTED without advice
is a message that is too large, and stays so."""

D = TypeVar("D", bound=Message)


def typed_error(error: Any) -> DomainError:
    """The error that the service raised, or the nearest to what gRPC says.

    Its metadata has what ``ErrorInfo`` brought, and the status code and reason as ``grpc_code`` and
    ``reason``. Codes that the project has no class for become plain ``DomainError``.

    Args:
        error: The ``grpc.RpcError`` that a call raised; those of either kind of channel have the
            same methods, which the base class lacks.
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
        kind = _RETRYABLE_REASONS.get(metadata.get("reason", ""), _RETRYABLE[code])
        return kind(message, retry.retry_delay.ToNanoseconds() / 1e9, metadata)
    if code == Unavailable.code:
        return Unavailable(message, CONNECTION_RETRY_SECONDS, metadata)
    return _CLASSES.get(code, DomainError)(message, metadata)


def _details(error: Any) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _detail(status: status_pb2.Status, kind: type[D]) -> D | None:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None
