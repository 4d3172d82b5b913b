"""What an encoded message would cost, found out before it is decoded.

A message of 48 MiB can hold 24 million empty ones, which take gigabytes once they are objects.
Counting the fields in the bytes takes a constant amount of memory.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from synthvlm.errors import InvalidInput

MAX_FIELDS = 200_000
"""Most fields of a request, those of the messages in it and the elements of lists included. The
largest request that is valid, ten thousand chains of shards to select from, has 130,002."""

MAX_TEXT_BYTES = 2**20
"""Most bytes of a string in a request; each field has a smaller limit of its own."""

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FIXED = {_FIXED_64: 8, _FIXED_32: 4}

# Protobuf has two classes of each (pure Python and upb) without a public base.
Descriptor = Any


class _Layout(NamedTuple):
    """What the numbers of a message's fields mean where they hold bytes."""

    messages: Mapping[int, Descriptor]
    texts: frozenset[int]
    packed: frozenset[int]


def check_wire(data: bytes, descriptor: Descriptor) -> None:
    """Returns if decoding ``data`` takes no more than a small multiple of its size.

    Whether it can be decoded at all is the decoder's to say; only what hinders the count is found.

    Raises:
        InvalidInput: There are too many fields, a string is too long, or the bytes are no message.
    """
    # A message that is entered: where it ends, and how its fields are to be read.
    entered = [(len(data), _layout(descriptor))]
    position = fields = 0
    try:
        while entered:
            if fields > MAX_FIELDS:
                raise InvalidInput(
                    f"the request has more than {MAX_FIELDS} fields, those of the messages in it "
                    f"included"
                )
            end, layout = entered[-1]
            if position >= end:
                if position > end:
                    raise _damaged(descriptor)
                entered.pop()
                continue
            key, position = _varint(data, position)
            number, kind = key >> 3, key & 7
            fields += 1
            if kind == _BYTES:
                size, position = _varint(data, position)
                if position + size > end:
                    raise _damaged(descriptor)
                if number in layout.messages:
                    entered.append((position + size, _layout(layout.messages[number])))
                    continue
                if number in layout.texts and size > MAX_TEXT_BYTES:
                    raise InvalidInput(
                        f"the request has a string of {size} bytes; at most {MAX_TEXT_BYTES} are "
                        f"allowed"
                    )
                # Each element takes a byte at least.
                fields += size if number in layout.packed else 0
                position += size
            elif kind == _VARINT:
                _, position = _varint(data, position)
            elif kind in _FIXED:
                position += _FIXED[kind]
            else:
                raise _damaged(descriptor)
    except IndexError:
        raise _damaged(descriptor) from None


def undecodable(name: str) -> InvalidInput:
    """What a caller is told whose bytes are not a message of the type ``name``."""
    return InvalidInput(f"the request cannot be decoded as {name}")


def _damaged(descriptor: Descriptor) -> InvalidInput:
    return undecodable(descriptor.full_name)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position``, and where the next thing begins."""
    value = data[position]
    if value < 0x80:
        return value, position + 1
    value &= 0x7F
    shift = 7
    while True:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
        if shift > 63:
            # The decoder takes ten bytes at most; an IndexError ends the count like one.
            raise IndexError


@cache
def _layout(descriptor: Descriptor) -> _Layout:
    fields = descriptor.fields
    return _Layout(
        {field.number: field.message_type for field in fields if field.message_type is not None},
        frozenset(field.number for field in fields if field.type == FieldDescriptor.TYPE_STRING),
        frozenset(
            field.number
            for field in fields
            if field.is_repeated
            and field.message_type is None
            and field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
        ),
    )
