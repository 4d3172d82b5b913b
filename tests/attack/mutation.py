"""Bytes that were valid once."""

from collections.abc import Callable, Sequence
from random import Random

LARGEST_VARINT = b"\xff" * 9 + b"\x01"
TOO_LONG_VARINT = b"\xff" * 11


def _flip(random: Random, data: bytearray) -> None:
    for _ in range(random.choice([1, 1, 2, 8])):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _cut(random: Random, data: bytearray) -> None:
    del data[random.randrange(len(data)) :]


def _leave_out(random: Random, data: bytearray) -> None:
    begin = random.randrange(len(data))
    del data[begin : begin + random.randrange(1, 9)]


def _insert(random: Random, data: bytearray) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.choice([1, 4, 100]))


def _overwrite(random: Random, data: bytearray) -> None:
    begin = random.randrange(len(data))
    value = random.choice(
        [LARGEST_VARINT, TOO_LONG_VARINT, b"\0", b"\x80", b"\xff\xff\xff\xff\x0f"]
    )
    data[begin : begin + random.choice([1, len(value)])] = value


def _repeat(random: Random, data: bytearray) -> None:
    begin = random.randrange(len(data))
    piece = data[begin : begin + random.choice([1, 2, 16, 256])]
    data[begin:begin] = piece * random.choice([1, 2, 50, 2000])


def _repeat_whole(random: Random, data: bytearray) -> None:
    data *= random.choice([2, 3, 20])


def _append_group(random: Random, data: bytearray) -> None:
    data += bytes([8 * random.randrange(1, 16) + random.choice([3, 4])]) * random.choice([1, 200])


_MUTATIONS: Sequence[Callable[[Random, bytearray], None]] = [
    *(_flip, _cut, _leave_out, _insert, _overwrite, _repeat, _repeat_whole, _append_group),
]


def mutated(random: Random, data: bytes) -> bytes:
    """``data`` with one to three changes."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if changed:
            random.choice(_MUTATIONS)(random, changed)
    return bytes(changed)
