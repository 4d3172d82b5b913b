"""Encoded images from anywhere, decoded within limits."""

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from synthvlm.alignment.ssim import MIN_SIDE

FORMATS = ("JPEG", "PNG", "WEBP")
"""What is decoded; other decoders are never tried."""

MAX_PIXELS = 16_000_000
"""Most pixels of an image: 16 megapixels."""

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
TOO_SMALL = Unusable("too_small", f"must have at least {MIN_SIDE} pixels a side")


def decode(data: bytes) -> Image.Image | Unusable:
    """An encoded image as RGB, or why it is not usable.

    Size and format are checked on the header, before anything is decompressed. Transparency is
    dropped and the EXIF orientation ignored, as CLIP's preprocessing does.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _find_fault(image) or image.convert("RGB")
    except UnidentifiedImageError:
        return UNSUPPORTED_FORMAT
    except Image.DecompressionBombError:
        return TOO_MANY_PIXELS
    except (OSError, SyntaxError, ValueError, EOFError):
        # Pillow's decoders raise any of these on truncated or damaged data.
        return UNDECODABLE


def _find_fault(image: Image.Image) -> Unusable | None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        return TOO_MANY_PIXELS
    if min(width, height) < MIN_SIDE:
        return TOO_SMALL
    if image.mode not in _MODES or getattr(image, "n_frames", 1) > 1:
        return SEVERAL_PICTURES
    return None
