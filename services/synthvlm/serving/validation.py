"""Requests as pydantic models; what is wrong with them under the proto's own field paths."""

import struct
from functools import cache
from typing import Any, TypeAlias, TypeVar, get_origin

from annotated_types import MaxLen
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError

from synthvlm.errors import FieldViolation, InvalidInput

M = TypeVar("M", bound=BaseModel)

# Protobuf has two classes of each (pure Python and upb) without a public base.
Descriptor: TypeAlias = Any
Field: TypeAlias = Any


def parse(model: type[M], request: Message) -> M:
    """Validates a request.

    Args:
        model: Its model; see ``RequestModel``.
        request: The message as received.

    Returns:
        The request's values in the model.

    Raises:
        InvalidInput: The request is wrong; one violation for each error, with the path of the field
            in the proto, for example ``pairs[3].caption``.
        TypeError: The model does not have the message's fields: a defect of the service.
    """
    descriptor = request.DESCRIPTOR
    _must_cover(model, descriptor)
    _require_lengths(model, request)
    try:
        return model.model_validate(_values(request))
    except ValidationError as error:
        violations = [
            FieldViolation(field_path(descriptor, entry), _describe(entry))
            for entry in error.errors(include_url=False)
        ]
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    subject = f"{first.field} " if first.field else ""
    raise InvalidInput(f"{subject}{first.description}{more}", violations)


def field_path(descriptor: Descriptor, entry: Any) -> str:
    """The proto path of the field that one of pydantic's errors is about.

    Steps of pydantic's location that name no field (members of unions, keys of maps) are left out.

    Args:
        descriptor: The message that was validated.
        entry: One of ``ValidationError.errors()``.
    """
    path = ""
    message: Descriptor | None = descriptor
    container: Field | None = None
    for step in entry["loc"]:
        if container is not None:
            # Inside a repeated field or a map, the step is an index or a key.
            path += f"[{step}]" if isinstance(step, int) else f'["{step}"]'
            value = _map_value(container) or container
            message, container = value.message_type, None
        elif message is not None and step in message.fields_by_name:
            field = message.fields_by_name[step]
            path += f".{step}" if path else str(step)
            if field.is_repeated:
                container = field
            else:
                message = field.message_type
    extra = entry.get("ctx", {}).get("field", "")
    return ".".join(part for part in (path, extra) if part)


def _describe(entry: Any) -> str:
    if entry["input"] is None:
        return "is required"
    message = str(entry["msg"])
    return message[:1].lower() + message[1:]


@cache
def _must_cover(model: type[BaseModel], descriptor: Descriptor) -> None:
    names = {field.alias or name for name, field in model.model_fields.items()}
    if names != set(descriptor.fields_by_name):
        difference = sorted(names.symmetric_difference(descriptor.fields_by_name))
        raise TypeError(
            f"{model.__name__} and {descriptor.full_name} do not have the same fields: "
            f"{', '.join(difference)}"
        )


def _require_lengths(model: type[BaseModel], request: Message) -> None:
    """Refuses lists and maps that are too long before anything is made of their elements."""
    violations = []
    for name, longest in _longest(model).items():
        length = len(getattr(request, name))
        if length > longest:
            violations.append(
                FieldViolation(name, f"has {length} elements; at most {longest} are allowed")
            )
    if violations:
        raise InvalidInput(f"{violations[0].field} {violations[0].description}", violations)


@cache
def _longest(model: type[BaseModel]) -> dict[str, int]:
    """The most elements of each list and map that has a limit."""
    return {
        field.alias or name: limit.max_length
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) in (list, dict)
        for limit in field.metadata
        if isinstance(limit, MaxLen)
    }


def _values(message: Message) -> dict[str, Any]:
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def _value(message: Message, field: Field) -> Any:
    entry = _map_value(field)
    value = getattr(message, field.name)
    if entry is not None:
        return {key: _single(item, entry) for key, item in value.items()}
    if field.is_repeated:
        return [_single(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _single(value, field)


def _single(value: Any, field: Field) -> Any:
    if field.message_type is not None:
        return _values(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return shortest_float(value)
    return value


def _map_value(field: Field) -> Field | None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        value: Field = entry.fields_by_name["value"]
        return value
    return None


def shortest_float(value: float) -> float:
    """The shortest decimal that a 32-bit float stands for: 0.8, not 0.800000011920929.

    So a parameter means the same, and has the same digest, whether it came through a proto or from
    a profile.
    """
    packed = struct.pack("<f", value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        # A value next to the largest can round to one that is too large to pack.
        if _packs_to(short, packed):
            return short
    return float(f"{value:.9g}") if _packs_to(float(f"{value:.9g}"), packed) else value


def _packs_to(value: float, packed: bytes) -> bool:
    try:
        return struct.pack("<f", value) == packed
    except OverflowError:
        return False
