"""Messages of up to 48 MiB and a little more, of elements that cost more than they weigh."""

from random import Random

import grpc
from google.protobuf.descriptor import MethodDescriptor

from tests.attack.rpcs import Call, path_of

MIB = 2**20
LARGEST = 49 * MIB


def large_call(random: Random, method: MethodDescriptor) -> Call:
    """A call with one message of many elements, or of few that are large."""
    size = int(2 ** random.uniform(13, 25.7)) if random.randrange(8) else LARGEST
    element = _element(random, min(size, LARGEST))
    data = element * (min(size, LARGEST) // len(element) or 1)
    compression = random.choice([None, None, None, grpc.Compression.Gzip])
    return Call(path_of(method), (data,), compression)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _element(random: Random, most: int) -> bytes:
    """One element: empty, unknown, nested, or a string or bytes of any length."""
    number = random.choice([1, 1, 1, 2, 3, 4, 5, 15])
    text = random.choice([b"x", b"\xff", "\N{PILE OF POO}".encode(), b"\0", b"[" * 4])
    match random.randrange(5):
        case 0:
            return bytes([8 * number + 2, 0])
        case 1:
            return bytes([8 * number, 1])
        case 2:
            inner = bytes([0x12, 0]) * random.randrange(1, 60)
            return bytes([8 * number + 2]) + _varint(len(inner)) + inner
        case 3:
            return bytes([8 * number + 3, 8 * number + 4])
    length = random.choice([100, 20_000, MIB, most])
    value = text * (length // len(text))
    # A string of the request itself, or of a message in it.
    inner = bytes([0x12]) + _varint(len(value)) + value if random.randrange(2) else value
    return bytes([8 * number + 2]) + _varint(len(inner)) + inner
