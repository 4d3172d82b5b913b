"""How many parts an encoded image consists of, counted without decoding any of them.

Decoders take every part that a file has: a progressive JPEG of 120 KiB can hold twenty thousand
scans, each of which goes over all pixels, and metadata in a hundred thousand segments is copied for
each of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_JPEG, _PNG, _RIFF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker of JPEG: in the data of a scan, 0xFF is followed by 0 or is a mark to restart from."""

_EOI, _SOS = 0xD9, 0xDA
_WITHOUT_LENGTH = frozenset({0x01, 0xD8, _EOI, *range(0xF0, 0xFE)})
"""Markers that stand alone, for one of the decoders at least: what follows is counted, too."""


@dataclass(frozen=True)
class Parts:
    """Segments of a JPEG with the scans among them, or chunks of a PNG or WebP."""

    segments: int = 0
    scans: int = 0
    chunks: int = 0


def count_parts(data: bytes, most: int) -> Parts:
    """What a JPEG, PNG or WebP file consists of; nothing for other bytes.

    Args:
        data: The file.
        most: Counting ends once there are more parts than this.
    """
    if data.startswith(_JPEG):
        kinds = list(islice(_segments(data), most + 1))
        return Parts(segments=len(kinds), scans=kinds.count(_SOS))
    if data.startswith(_PNG):
        return Parts(chunks=sum(1 for _ in islice(_png_chunks(data), most + 1)))
    if data.startswith(_RIFF):
        return Parts(chunks=sum(1 for _ in islice(_riff_chunks(data), most + 1)))
    return Parts()


def _segments(data: bytes) -> Iterator[int]:
    """The markers of a JPEG, each of which begins a segment."""
    position = len(_JPEG)
    scanned = False
    while (marker := _MARKER.search(data, position)) is not None:
        position = marker.end()
        kind = data[position - 1]
        if kind == _EOI and scanned:
            return
        scanned |= kind == _SOS
        yield kind
        if kind not in _WITHOUT_LENGTH:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))


def _png_chunks(data: bytes) -> Iterator[int]:
    """Where the chunks of a PNG begin."""
    position = len(_PNG)
    while position + 8 <= len(data):
        yield position
        position += 12 + int.from_bytes(data[position : position + 4], "big")


def _riff_chunks(data: bytes) -> Iterator[int]:
    """Where the chunks of a WebP begin."""
    position = 12
    while position + 8 <= len(data):
        yield position
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
