"""What can go wrong, in the domain's terms.

Domain code raises these where the problem is found and does not depend on gRPC; an interceptor of
``synthvlm.serving`` turns them into a status with details, and the clients turn that status back
into the same class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldViolation:
    """An invalid field of a request.

    ``field`` is the proto's field path, for example ``pairs[3].caption``; ``description`` says what
    is wrong and what would be valid.
    """

    field: str
    description: str


class DomainError(Exception):
    """Base of all typed errors.

    ``code`` is the name of the gRPC status code, ``reason`` the UPPER_SNAKE_CASE reason of
    ``google.rpc.ErrorInfo`` (AIP-193), ``metadata`` its details.
    """

    code: ClassVar[str] = "UNKNOWN"
    reason: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})


class InvalidInput(DomainError):
    """The request itself is invalid; sending it again cannot help."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_INPUT"

    def __init__(self, message: str, violations: Sequence[FieldViolation] = ()) -> None:
        super().__init__(message)
        self.violations: tuple[FieldViolation, ...] = tuple(violations)


class NotFound(DomainError):
    """Something that the request names does not exist."""

    code = "NOT_FOUND"
    reason = "NOT_FOUND"


class AlreadyExists(DomainError):
    """Something different exists where the request would create something."""

    code = "ALREADY_EXISTS"
    reason = "ALREADY_EXISTS"


class PreconditionFailed(DomainError):
    """The request is valid, but the service is not in the state that it needs."""

    code = "FAILED_PRECONDITION"
    reason = "PRECONDITION_FAILED"


class DataCorrupt(DomainError):
    """Stored bytes do not have the digest that was recorded for them."""

    code = "DATA_LOSS"
    reason = "DATA_CORRUPT"


class Unauthenticated(DomainError):
    """The caller did not show a valid token."""

    code = "UNAUTHENTICATED"
    reason = "INVALID_TOKEN"


class PermissionDenied(DomainError):
    """The caller is known, but may not do this."""

    code = "PERMISSION_DENIED"
    reason = "PERMISSION_DENIED"


class RetryableError(DomainError):
    """The same request may succeed after ``retry_after_seconds``."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: float,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, metadata)
        self.retry_after_seconds = retry_after_seconds


class QueueFull(RetryableError):
    """The service has reached its limit of admitted work."""

    code = "RESOURCE_EXHAUSTED"
    reason = "QUEUE_FULL"


class OutOfSpace(DomainError):
    """A disk is full. Waiting does not help: somebody has to make room.

    ``folder`` in the metadata is the folder that could not be written to, or ``TMPDIR``.
    """

    code = "RESOURCE_EXHAUSTED"
    reason = "OUT_OF_SPACE"


class Unavailable(RetryableError):
    """The service, or something it depends on, cannot answer now."""

    code = "UNAVAILABLE"
    reason = "UNAVAILABLE"


class OperationCancelled(DomainError):
    """The caller went away, or its deadline passed, while work was under way."""

    code = "CANCELLED"
    reason = "CANCELLED"
