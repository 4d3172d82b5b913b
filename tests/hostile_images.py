"""Images that are larger, longer or of more parts than they seem, in few bytes."""

import io
import struct
import zlib

from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, pixels: bytes, *, more: bytes = b"", interlaced: bool = False
) -> bytes:
    """A PNG of an RGB image whose pixels are any bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    body = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    ihdr, *rest = [chunk(kind, data) for kind, data in body]
    return b"\x89PNG\r\n\x1a\n" + ihdr + more + b"".join(rest)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    return png(width, height, b"")


def progressive(scans: int, side: int = 64) -> bytes:
    """A progressive JPEG with more scans than its encoder made of it, as many as asked for."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (10, 200, 90)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + b"\xff\xd9"


def webp_header(width: int, height: int) -> bytes:
    """A WebP with the extended header that claims a size and holds nothing."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk
