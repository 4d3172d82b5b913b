"""Encoded images, and the mark in them that identifies them as generated.

Every image has the mark twice: as XMP with IPTC's ``digitalSourceType``, which content platforms
read, and as JSON with the digests and the seed, in a PNG text chunk or in EXIF's UserComment (JPEG,
WebP). Equal pixels and marks produce equal bytes.
"""

import io
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from synthvlm.errors import InvalidInput
from synthvlm.storage.digests import canonical_json

SOFTWARE = "synthvlm"
"""Name of the software in the mark."""

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model."""

_ASCII = b"ASCII\0\0\0"  # EXIF's character code, the prefix of a UserComment
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    f' Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"'
    f' xmp:CreatorTool="{SOFTWARE}"/>'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)


class ImageFormat(StrEnum):
    """How an image is encoded."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"

    @property
    def media_type(self) -> str:
        """The media type, for example ``image/jpeg``."""
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        """The file name's extension, without a dot."""
        return "jpg" if self is ImageFormat.JPEG else self.value


@dataclass(frozen=True)
class Mark:
    """Where an image comes from.

    Attributes:
        model_digest: ``sha256:`` digest of the model's files.
        prompt_digest: ``sha256:`` digest of the prompt's UTF-8 bytes.
        seed: Seed of the initial noise.
        digital_source_type: IPTC's term for how the image was made.
    """

    model_digest: str
    prompt_digest: str
    seed: int
    software: str = SOFTWARE
    digital_source_type: str = DIGITAL_SOURCE_TYPE


def encode(pixels: npt.NDArray[np.uint8], image_format: ImageFormat, mark: Mark) -> bytes:
    """Encodes an image with its mark.

    JPEG has quality 95 and full chroma resolution (4:4:4); PNG and WebP are lossless. ``pixels`` is
    uint8 RGB of shape (height, width, 3).
    """
    image = Image.fromarray(pixels)
    text = canonical_json(asdict(mark))
    buffer = io.BytesIO()
    if image_format is ImageFormat.PNG:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text("Software", SOFTWARE)
        chunks.add_text(SOFTWARE, text.decode())
        chunks.add_itxt("XML:com.adobe.xmp", _XMP)
        image.save(buffer, "PNG", pnginfo=chunks)
        return buffer.getvalue()
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _ASCII + text
    options: dict[str, Any] = (
        {"quality": 95, "subsampling": 0}
        if image_format is ImageFormat.JPEG
        # `exact` keeps the colours of transparent pixels; `method` 4 is libwebp's default.
        else {"lossless": True, "quality": 100, "method": 4, "exact": True}
    )
    image.save(buffer, image_format.name, exif=exif, xmp=_XMP.encode(), **options)
    return buffer.getvalue()


def read_mark(data: bytes) -> Mark | None:
    """The mark of an encoded image; None if it has none.

    Raises:
        InvalidInput: ``data`` is not an image, or its mark is damaged.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            text = _mark_text(image)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InvalidInput("the image cannot be read") from error
    if text is None:
        return None
    try:
        return Mark(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise InvalidInput("the image's mark is damaged") from error


def _mark_text(image: Image.Image) -> str | bytes | None:
    if isinstance(image, PngImagePlugin.PngImageFile):
        return image.text.get(SOFTWARE)
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if isinstance(comment, bytes) and comment.startswith(_ASCII + b"{"):
        return comment.removeprefix(_ASCII)
    return None
