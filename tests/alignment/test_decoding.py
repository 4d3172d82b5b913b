"""Decoding within limits."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from synthvlm.alignment.decoding import (
    SEVERAL_PICTURES,
    TOO_MANY_PIXELS,
    TOO_SMALL,
    UNDECODABLE,
    UNSUPPORTED_FORMAT,
    decode,
)


def png_header(width, height):
    """A PNG that claims a size and holds nothing."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def webp_header(width, height):
    """A WebP with the extended header that claims a size and holds nothing."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_decoded(picture, kind):
    image = decode(picture(1, kind=kind))
    assert (image.mode, image.size) == ("RGB", (24, 24))


def test_lossless_formats_give_the_pixels_back(picture):
    assert np.array_equal(
        np.asarray(decode(picture(1))), np.asarray(Image.open(io.BytesIO(picture(1))))
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_other_modes_become_rgb(picture, mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decode(picture(1, kind=kind, mode=mode)).mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(picture, kind):
    assert decode(picture(1, kind=kind)) == UNSUPPORTED_FORMAT


@pytest.mark.parametrize("data", [b"", b"no image", b"<svg/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(data):
    assert decode(data).reason in ("unsupported_format", "undecodable")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_truncated_images_are_refused(picture, kind):
    data = picture(1, side=64, kind=kind)
    for cut in range(0, len(data) - 20, max(1, len(data) // 20)):
        assert decode(data[:cut]).reason in ("unsupported_format", "undecodable")


@pytest.mark.parametrize(
    "data",
    [
        png_header(4001, 4000),
        png_header(60_000, 60_000),
        png_header(2**31 - 1, 2**31 - 1),
        webp_header(16_384, 16_384),
    ],
)
def test_bombs_are_refused_by_their_header(data):
    assert decode(data).reason in ("too_many_pixels", "undecodable", "unsupported_format")


def test_sizes_at_the_limits():
    assert decode(png_header(4000, 4001)) == TOO_MANY_PIXELS
    # Allowed by its size, and only then found to hold nothing.
    assert decode(png_header(4000, 4000)) == UNDECODABLE


def test_sixteen_megapixels_are_decoded():
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000), 7).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 100_000
    assert decode(buffer.getvalue()).size == (4000, 4000)


def test_images_that_ssim_is_not_defined_for_are_refused(picture):
    assert decode(picture(1, side=7)) == TOO_SMALL
    assert decode(picture(1, side=8)).size == (8, 8)


def test_animations_and_sixteen_bits_are_refused():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind in ("WEBP", "PNG"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        assert decode(buffer.getvalue()) == SEVERAL_PICTURES
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(buffer, "PNG")
    assert decode(buffer.getvalue()) == SEVERAL_PICTURES
