"""Encoded images from anywhere, decoded within limits."""

import io
import threading
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from synthvlm.alignment.ssim import MIN_SIDE
from synthvlm.alignment.structure import count_parts

FORMATS = ("JPEG", "PNG", "WEBP")
"""What is decoded; other decoders are never tried."""

MAX_PIXELS = 16_000_000
"""Most pixels of an image: 16 megapixels."""

MAX_SIDE = 16_384
"""Most pixels of a side."""

MAX_ASPECT = 32
"""How many times the shorter side the longer one may be. The model's input is made by scaling the
shorter side up or down to a fixed length, and the longer side with it."""

MAX_SCANS = 64
"""Most scans of a JPEG; encoders make about ten. Each scan goes over all pixels."""

MAX_SEGMENTS = 256
"""Most segments of a JPEG. What is in those of metadata is copied for each of them."""

MAX_CHUNKS = 20_000
"""Most chunks of a PNG or WebP."""

_LARGE_PIXELS = 4_000_000
_large = threading.Lock()
"""Held while a large image is decoded, which takes up to 15 bytes a pixel for a moment."""

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}


@dataclass(frozen=True)
class Unusable:
    """Why an image cannot be scored.

    Attributes:
        reason: One of a fixed set of words, for counts.
        description: The same for people, as it goes on after the name of the field.
    """

    reason: str
    description: str


UNSUPPORTED_FORMAT = Unusable("unsupported_format", "must be a JPEG, PNG or WebP image")
SEVERAL_PICTURES = Unusable("unsupported_format", "must be one picture with 8 bits a channel")
UNDECODABLE = Unusable("undecodable", "is damaged and cannot be decoded")
TOO_MANY_PIXELS = Unusable("too_many_pixels", f"must have at most {MAX_PIXELS} pixels")
TOO_LONG = Unusable(
    "too_long",
    f"must have at most {MAX_SIDE} pixels a side, and be at most {MAX_ASPECT} times as long "
    f"one way as the other",
)
TOO_MANY_PARTS = Unusable(
    "too_many_parts",
    f"must have at most {MAX_SCANS} scans and {MAX_SEGMENTS} segments (JPEG), or {MAX_CHUNKS} "
    f"chunks (PNG, WebP)",
)
TOO_SMALL = Unusable("too_small", f"must have at least {MIN_SIDE} pixels a side")


def decode(data: bytes) -> Image.Image | Unusable:
    """An encoded image as RGB, or why it is not usable.

    Size, format and structure are checked before anything is decompressed. Transparency is dropped
    and the EXIF orientation ignored, as CLIP's preprocessing does.
    """
    if _has_many_parts(data):
        return TOO_MANY_PARTS
    try:
        return _decode(data)
    except UnidentifiedImageError:
        return UNSUPPORTED_FORMAT
    except Image.DecompressionBombError:
        return TOO_MANY_PIXELS
    except (OSError, SyntaxError, ValueError, EOFError):
        # Pillow's decoders raise any of these on truncated or damaged data.
        return UNDECODABLE


def _has_many_parts(data: bytes) -> bool:
    # Pillow reads all parts that come before the pixels to find out what the file is.
    parts = count_parts(data, MAX_CHUNKS)
    return parts.scans > MAX_SCANS or parts.segments > MAX_SEGMENTS or parts.chunks > MAX_CHUNKS


def _decode(data: bytes) -> Image.Image | Unusable:
    with _opened(data) as image:
        if fault := _find_fault(image):
            return fault
        if image.width * image.height <= _LARGE_PIXELS:
            return image.convert("RGB")
    with _large, _opened(data) as image:
        return image.convert("RGB")


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _find_fault(image: Image.Image) -> Unusable | None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        return TOO_MANY_PIXELS
    if min(width, height) < MIN_SIDE:
        return TOO_SMALL
    if max(width, height) > min(MAX_SIDE, MAX_ASPECT * min(width, height)):
        return TOO_LONG
    if image.mode not in _MODES or getattr(image, "n_frames", 1) > 1:
        return SEVERAL_PICTURES
    return None
