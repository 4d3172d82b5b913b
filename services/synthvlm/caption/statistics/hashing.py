"""Polynomial hashes modulo 2^64 of many pieces of a sequence at once.

They only prove that two pieces differ; that two are equal is always checked on the pieces.
"""

import functools

import numpy as np
import numpy.typing as npt

BASE = 0x9E3779B97F4A7C15
"""An odd number, because only those have inverses."""

_MODULUS = 2**64

Hashes = npt.NDArray[np.uint64]


def span_hashes(
    codes: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> Hashes:
    """Hashes of the spans ``codes[starts[i]:ends[i]]``, uint64 [spans]."""
    powers, inverses = _powers(BASE, 1 << len(codes).bit_length())
    # One more than the code, or leading NULs would not count.
    terms = (codes.astype(np.uint64) + np.uint64(1)) * powers[: len(codes)]
    before = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(terms, out=before[1:])
    hashes: Hashes = (before[ends] - before[starts]) * inverses[starts]
    return hashes


def text_hash(text: str) -> int:
    """The hash that ``span_hashes`` gives a span with the characters of ``text``."""
    value = 0
    for character in reversed(text):
        value = (value * BASE + ord(character) + 1) % _MODULUS
    return value


def window_hashes(symbols: npt.NDArray[np.unsignedinteger], size: int) -> Hashes:
    """Hashes of all ``len(symbols) - size + 1`` windows of ``size`` symbols, uint64 [windows]."""
    single = symbols.astype(np.uint64)
    hashes, width = single, 1
    # As in binary exponentiation: two windows make one of twice the size, one more symbol the next.
    for bit in f"{size:b}"[1:]:
        factor = np.uint64(pow(BASE, width, _MODULUS))
        hashes = hashes[:-width] * factor + hashes[width:]
        width *= 2
        if bit == "1":
            hashes = hashes[:-1] * np.uint64(BASE) + single[width:]
            width += 1
    return hashes


@functools.lru_cache(maxsize=4)
def _powers(base: int, count: int) -> tuple[Hashes, Hashes]:
    """The first ``count`` powers of ``base``, and their inverses; both odd, so these exist."""
    inverse = pow(base, -1, _MODULUS)
    factors = np.ones((2, count), np.uint64)
    factors[0, 1:] = base
    factors[1, 1:] = inverse
    powers, inverses = np.cumprod(factors, axis=1, dtype=np.uint64)
    return powers, inverses
