"""Decompression, piece by piece, that says what is wrong with a compressed file."""

import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import BinaryIO

import pyarrow as pa
import zstandard

CHUNK = 1 << 18
"""Bytes of a decompressed piece, at most."""

# Small: what follows the end of a member is copied once for each member.
_GZIP_READ = 1 << 14
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_HEADER = 18
_ZSTD_WINDOW = 27
"""Arrow decompresses windows of at most 2 to this power, 128 MiB."""


class Compression(StrEnum):
    """Compressions of caption files."""

    GZIP = "gzip"
    ZSTD = "zstd"


class DamagedError(Exception):
    """A compressed file cannot be decompressed; the message says why."""


def decompressed(
    file: BinaryIO, compression: Compression, on_rest: Callable[[], None]
) -> Iterator[bytes]:
    """The decompressed bytes of a file in pieces of at most ``CHUNK``.

    Args:
        file: The compressed file, at its beginning; it must be seekable.
        compression: How it is compressed.
        on_rest: Called when the file goes on, behind the compressed data, with something else.

    Raises:
        DamagedError: The file is damaged or cut off.
    """
    if compression is Compression.GZIP:
        return _gunzipped(file, on_rest)
    return _unzstd(file)


def _gunzipped(file: BinaryIO, on_rest: Callable[[], None]) -> Iterator[bytes]:
    data, size = file.read(_GZIP_READ), 0
    while data:
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        while not member.eof:
            try:
                piece = member.decompress(data, CHUNK)
            except zlib.error as error:
                raise DamagedError(f"{_after(size)} ({error})") from error
            data = member.unconsumed_tail
            if piece:
                size += len(piece)
                yield piece
            if not member.eof and not data:
                data = file.read(_GZIP_READ)
                if not data and not piece:
                    raise DamagedError(_after(size))
        data = _behind_padding(file, member.unused_data)
        if data and not data.startswith(_GZIP_MAGIC):
            on_rest()
            return


def _behind_padding(file: BinaryIO, data: bytes) -> bytes:
    """What follows the zeros with which tapes and disk images fill up a block."""
    while True:
        data = data.lstrip(b"\0")
        if len(data) >= len(_GZIP_MAGIC):
            return data
        more = file.read(_GZIP_READ)
        if not more:
            return data
        data += more


def _after(size: int) -> str:
    return f"after {size} decompressed bytes"


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    head = file.read(_ZSTD_HEADER)
    file.seek(0)
    try:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), Compression.ZSTD.value) as stream:
            yield from iter(lambda: stream.read(CHUNK), b"")
    except OSError as error:
        if "too much memory" in str(error):
            raise DamagedError(_too_long_a_window(head)) from error
        raise DamagedError(f"({error})") from error


def _too_long_a_window(head: bytes) -> str:
    try:
        window = zstandard.get_frame_parameters(head).window_size.bit_length() - 1
        how = f"with --long={window}"
    except zstandard.ZstdError:
        how = "with a longer window"
    return (
        f": it was compressed {how} and needs more memory than a window of 128 MiB; compress it "
        f"with --long={_ZSTD_WINDOW} or less, or decompress it yourself"
    )
