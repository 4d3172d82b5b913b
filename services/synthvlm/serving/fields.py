"""Types of the fields that many requests have, with the limits that the protos state."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from synthvlm.errors import InvalidInput
from synthvlm.limits import MAX_SEED
from synthvlm.storage.location import Location, parse_location
from synthvlm.storage.refs import ShardRef, is_safe_path


class RequestModel(BaseModel):
    """Base of the models of requests and of the messages in them.

    A model has one attribute for each field of its message, under the proto's name (or by alias,
    where that is a Python keyword). Unset messages, ``optional`` scalars and members of a ``oneof``
    are None; enums are their value's name; ``float`` is the shortest decimal that means it.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        protected_namespaces=(),
    )


def violation(message: str, field: str = "") -> PydanticCustomError:
    """What a validator of a request model raises.

    Args:
        message: What is wrong, and what would be right.
        field: Path of the field below the validated value, where it is not that value itself.
    """
    # The message is passed as a value: braces in it must not be taken for a template's.
    return PydanticCustomError("violation", "{message}", {"message": message, "field": field})


@dataclass(frozen=True)
class Utf8:
    """Limits of a string, in bytes of UTF-8: ``Annotated[str, Utf8(4096, min_bytes=1)]``."""

    max_bytes: int
    min_bytes: int = 0

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the string, then the check of its size."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, text: str) -> str:
        size = len(text.encode())
        if size < self.min_bytes:
            raise violation("must not be empty" if self.min_bytes == 1 else self._limits(size))
        if size > self.max_bytes:
            raise violation(self._limits(size))
        return text

    def _limits(self, size: int) -> str:
        return f"has {size} bytes of UTF-8; {self.min_bytes} to {self.max_bytes} are allowed"


@dataclass(frozen=True)
class Matches:
    """A pattern for the whole of a string, with the words in which it is explained."""

    pattern: str
    description: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the string, then the check against the pattern."""
        compiled = re.compile(self.pattern)

        def check(text: str) -> str:
            if compiled.fullmatch(text) is None:
                raise violation(f"must be {self.description}")
            return text

        return core_schema.no_info_after_validator_function(check, handler(source))


def _safe(path: str) -> str:
    if not is_safe_path(path):
        raise violation("must be 1 to 512 characters of [A-Za-z0-9._/-] below the root, without ..")
    return path


Digest = Annotated[
    str, Matches("sha256:[0-9a-f]{64}", "`sha256:` and 64 lower-case hexadecimal digits")
]
"""A digest."""

OptionalDigest = Annotated[
    str,
    Matches("(sha256:[0-9a-f]{64})?", "empty, or `sha256:` and 64 lower-case hexadecimal digits"),
]
"""A digest, or nothing."""

RequestId = Annotated[
    str, Matches("[A-Za-z0-9._-]{0,64}", "at most 64 characters of [A-Za-z0-9._-]")
]
"""An id that makes a repeat safe; empty: none."""

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""A seed, 0 to 2^63-1."""

PageToken = Annotated[str, Utf8(1024)]
"""Where a list goes on; empty: at its start."""

StorePath = Annotated[str, AfterValidator(_safe)]
"""A location below the root of a store."""


def _location(uri: str) -> Location:
    try:
        return parse_location(uri)
    except InvalidInput as error:
        raise violation(error.message) from None


class _AsLocation:
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        uri = core_schema.str_schema(min_length=1, max_length=2048)
        return core_schema.no_info_after_validator_function(_location, uri)


StoreUri = Annotated[Location, _AsLocation()]
"""Root of an object store, parsed. Whether the service may use it is decided by its ``Roots``."""


class ShardStoreMessage(RequestModel):
    """``synthvlm.storage.v1.ShardStore``."""

    uri: StoreUri


class ShardRefMessage(RequestModel):
    """``synthvlm.storage.v1.ShardRef``."""

    path: StorePath
    digest: Digest
    records: Annotated[int, Field(ge=0)]

    def ref(self) -> ShardRef:
        """The reference that it holds."""
        return ShardRef(self.path, self.digest, self.records)


class _AsRef:
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        message = handler.generate_schema(ShardRefMessage)
        return core_schema.no_info_after_validator_function(ShardRefMessage.ref, message)


class _AsStore:
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        message = handler.generate_schema(ShardStoreMessage)
        return core_schema.no_info_after_validator_function(lambda store: store.uri, message)


ShardRefField = Annotated[ShardRef, _AsRef()]
"""A required ``ShardRef`` message, as the reference that it holds."""

ShardStoreField = Annotated[Location, _AsStore()]
"""A required ``ShardStore`` message, as the location that its URI names."""
