"""Which n-grams repeat within a segment of a sequence, for many segments at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthvlm.caption.statistics.hashing import Hashes, window_hashes

_SEGMENT_FACTOR = np.uint64(0xD6E8FEB86659FD93)
_MIX_FACTOR = np.uint64(0xFF51AFD7ED558CCD)

Symbols = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Repetition:
    """The distinct n-grams that occur more than once in their segment.

    Attributes:
        segments: Segment of each, int64 [repeated n-grams].
        counts: How often each occurs there, int64 [repeated n-grams].
        totals: n-grams of each segment, int64 [segments].
        uncertain: Segments where the above may be wrong, because two different n-grams have the
            same hash; ascending.
    """

    segments: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]
    uncertain: npt.NDArray[np.int64]


def repetition(
    symbols: Symbols,
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    size: int,
) -> Repetition:
    """Finds the n-grams of ``size`` symbols that repeat within a segment.

    Args:
        symbols: The sequence.
        starts: Where each segment begins, int64 [segments]; segments must not overlap.
        lengths: Symbols of each segment, int64 [segments].
        size: n, at least 1.
    """
    totals = np.maximum(lengths - size + 1, 0)
    total = int(totals.sum())
    nothing = np.zeros(0, np.int64)
    if total < 2:
        return Repetition(nothing, nothing, totals, nothing)
    segment = np.repeat(np.arange(len(totals)), totals)
    position = np.arange(total) + np.repeat(starts - np.cumsum(totals) + totals, totals)
    keys = window_hashes(symbols, size)[position]
    keys = (keys + segment.astype(np.uint64) * _SEGMENT_FACTOR) * _MIX_FACTOR
    suspects = _sharing_a_slot(keys)
    # The low bits of a hash are replaced by the n-gram's number, so that a plain sort, much faster
    # than an argsort, groups equal ones and still identifies them.
    low = np.uint64((1 << (total - 1).bit_length()) - 1)
    keys = np.sort((keys[suspects] & ~low) | suspects.astype(np.uint64))
    alike = (keys[1:] ^ keys[:-1]) <= low
    if not alike.any():
        return Repetition(nothing, nothing, totals, nothing)
    order = (keys & low).astype(np.int64)
    left, right = order[:-1][alike], order[1:][alike]
    same = segment[left] == segment[right]
    for offset in range(size):
        same &= symbols[position[left] + offset] == symbols[position[right] + offset]
    wrong = np.concatenate([segment[left[~same]], segment[right[~same]]])
    first = np.flatnonzero(np.concatenate([[True], ~alike]))
    counts = np.diff(first, append=len(order))
    repeated = counts > 1
    return Repetition(
        segments=segment[order[first[repeated]]],
        counts=counts[repeated],
        totals=totals,
        uncertain=np.unique(wrong),
    )


def _sharing_a_slot(keys: Hashes) -> npt.NDArray[np.int64]:
    """Numbers of the keys that share a slot of a hash table, ascending; equal keys always do.

    Few others do, so this leaves little to sort.
    """
    bits = (len(keys) - 1).bit_length() + 3
    slots = (keys >> np.uint64(64 - bits)).astype(np.int64)
    numbers = np.arange(len(keys), dtype=np.int32)
    # Slots without a key are never read.
    last = np.empty(1 << bits, np.int32)
    last[slots] = numbers
    shared = np.zeros(1 << bits, np.bool_)
    shared[slots[last[slots] != numbers]] = True
    return np.flatnonzero(shared[slots])
