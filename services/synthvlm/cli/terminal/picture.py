"""An image in a terminal: two pixels per character, by half blocks."""

import io

from PIL import Image
from rich.color import Color
from rich.style import Style
from rich.text import Text

_MOST_COLUMNS = 64
_MOST_ROWS = 48


def half_blocks(data: bytes, columns: int) -> Text:
    """The image as coloured characters.

    Args:
        data: An encoded image.
        columns: Width in characters.
    """
    with Image.open(io.BytesIO(data)) as image:
        scale = min(
            columns / image.width, _MOST_COLUMNS / image.width, _MOST_ROWS / image.height, 1
        )
        size = (max(1, round(image.width * scale)), max(2, round(image.height * scale) // 2 * 2))
        pixels = image.convert("RGB").resize(size)
    text = Text()
    for top in range(0, size[1], 2):
        for column in range(size[0]):
            upper, lower = pixels.getpixel((column, top)), pixels.getpixel((column, top + 1))
            text.append("▀", Style(color=_colour(upper), bgcolor=_colour(lower)))
        text.append("\n")
    return text


def _colour(pixel: object) -> Color:
    if not isinstance(pixel, tuple):
        raise TypeError(f"{pixel!r} is not an RGB pixel")
    return Color.from_rgb(*pixel)
