"""Images of the store as ``data:`` URIs, small enough for a page that holds dozens."""

import base64
import io

from PIL import Image

from synthvlm.errors import DataCorrupt
from synthvlm.storage import Store, sha256_digest
from synthvlm.storage.manifest import damaged

MAX_SIDE = 384
"""Longest side of an image on the page, in pixels: sharp at the size of a card on most screens."""

_QUALITY = 85


def read_image(store: Store, path: str, offset: int, size: int, sha256: str) -> bytes:
    """The bytes of one image of a tar.

    Raises:
        DataCorrupt: They do not have the digest ``sha256``.
    """
    data = store.read_range(path, offset, size)
    if sha256_digest(data) != sha256:
        raise DataCorrupt(damaged(store, path, f"an image does not have the digest {sha256}"))
    return data


def data_uri(data: bytes, media_type: str) -> tuple[str, int, int]:
    """An encoded image as a ``data:`` URI, with its width and height in pixels.

    One that is larger than a card is scaled down and encoded as JPEG; others go in as they are.
    """
    with Image.open(io.BytesIO(data)) as image:
        if max(image.size) <= MAX_SIDE:
            width, height = image.size
        else:
            small = image.convert("RGB")
            small.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=_QUALITY)
            data, media_type = buffer.getvalue(), "image/jpeg"
            width, height = small.size
    encoded = base64.b64encode(data).decode()
    return f"data:{media_type};base64,{encoded}", width, height
