"""Decoding within limits."""

import io
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from synthvlm.alignment.decoding import (
    MAX_ASPECT,
    MAX_CHUNKS,
    MAX_SCANS,
    MAX_SEGMENTS,
    MAX_SIDE,
    SEVERAL_PICTURES,
    TOO_LONG,
    TOO_MANY_PARTS,
    TOO_MANY_PIXELS,
    TOO_SMALL,
    UNDECODABLE,
    UNSUPPORTED_FORMAT,
    Unusable,
    decode,
)
from tests.hostile_images import chunk, png, png_header, progressive, webp_header


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


@pytest.mark.parametrize(
    "size", [(2_000_000, 8), (8, 2_000_000), (MAX_SIDE + 1, 600), (8, 8 * MAX_ASPECT + 1)]
)
def test_images_that_are_long_and_thin_are_refused_by_their_header(size):
    assert decode(png_header(*size)) == TOO_LONG


def test_a_small_file_of_a_long_image_costs_nothing():
    # 2,000,000 x 8 pixels: resizing the shorter side to the model's took 5 GB and 49 s.
    data = png(2_000_000, 8, bytes(8 * (1 + 3 * 2_000_000)))
    assert len(data) < 64 * 1024
    began = time.monotonic()
    assert decode(data) == TOO_LONG
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("size", [(8 * MAX_ASPECT, 8), (8, 8 * MAX_ASPECT)])
def test_images_as_long_as_is_allowed_are_decoded(size):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    assert decode(buffer.getvalue()).size == size


def test_scans_are_counted_before_decoding():
    assert decode(progressive(MAX_SCANS)).size == (64, 64)
    assert decode(progressive(MAX_SCANS + 1)) == TOO_MANY_PARTS
    # Twenty thousand scans of 16 megapixels took 150 s.
    began = time.monotonic()
    assert decode(progressive(20_000, side=4000)) == TOO_MANY_PARTS
    assert time.monotonic() - began < 5


EXIF = b"\xff\xe1\x00\x0cExif\0\0abcd"


@pytest.mark.parametrize(
    "before",
    [
        EXIF * MAX_SEGMENTS,
        # What one decoder skips and the other does not hides nothing.
        b"\xff\xd9" + EXIF * MAX_SEGMENTS,
        b"\xff\xf0\xff\xff" + EXIF * MAX_SEGMENTS,
        b"\xff\x01\xff\xff" + EXIF * MAX_SEGMENTS,
        b"\xff" * 100 + EXIF[1:] + EXIF * MAX_SEGMENTS,
    ],
)
def test_segments_are_counted_before_decoding(picture, before):
    data = picture(1, kind="JPEG")
    assert decode(data[:2] + EXIF * 100 + data[2:]).size == (24, 24)
    assert decode(data[:2] + before + data[2:]) == TOO_MANY_PARTS


@pytest.mark.parametrize("text", [b"", chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20)))])
def test_chunks_are_counted_before_decoding(text):
    pixels = bytes(8 * 25)
    assert decode(png(8, 8, pixels, more=chunk(b"tEXt", b"a\0b") * 1000)).size == (8, 8)
    many = text + chunk(b"abCd", b"") * MAX_CHUNKS
    assert decode(png(8, 8, pixels, more=many)) == TOO_MANY_PARTS


def test_bombs_of_metadata_are_not_inflated():
    bomb = zlib.compress(bytes(2**26), 9)
    for kind in (b"iCCP", b"zTXt"):
        more = chunk(kind, b"a\0\0" + bomb)
        assert decode(png(8, 8, bytes(8 * 25), more=more)) == UNDECODABLE
    # What is too much for the image stays unread.
    assert decode(png(8, 8, bytes(2**26))).size == (8, 8)


@pytest.mark.parametrize(
    "data",
    [
        progressive(MAX_SCANS, side=4000),
        png(4000, 4000, bytes(4000 * 4000 * 3 + 40_000), interlaced=True),
        png(16_000, 1000, bytes(1000 * 48_001)),
    ],
    ids=["scans", "interlaced", "wide"],
)
def test_the_dearest_images_that_are_allowed(data):
    began = time.monotonic()
    assert not isinstance(decode(data), Unusable)
    # About a second on one processor; there are others at work.
    assert time.monotonic() - began < 20


def test_animations_and_sixteen_bits_are_refused():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind in ("WEBP", "PNG"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        assert decode(buffer.getvalue()) == SEVERAL_PICTURES
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(buffer, "PNG")
    assert decode(buffer.getvalue()) == SEVERAL_PICTURES
