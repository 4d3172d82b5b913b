"""Contact sheets: images side by side, with remarks below each."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

INK: Final[Colour] = (32, 33, 36)
FAINT: Final[Colour] = (112, 117, 122)
GOOD: Final[Colour] = (24, 128, 56)
BAD: Final[Colour] = (197, 34, 31)

_PAPER: Final[Colour] = (255, 255, 255)
_RULE: Final[Colour] = (218, 220, 224)
_SMALLEST: Final = 192  # pixels; smaller images are enlarged at least to this
_LARGEST: Final = 320
_GAP: Final = 20
_TEXT: Final = 14
_HEADING: Final = 20
_LINE: Final = 1.35  # distance of lines, in sizes of the text
_MOST_COLUMNS: Final = 8


@dataclass(frozen=True, slots=True)
class Remark:
    """A line below an image; long ones are wrapped."""

    text: str
    colour: Colour = INK


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """An image (uint8 RGB of shape (height, width, 3)) and the remarks below it."""

    pixels: NDArray[np.uint8]
    remarks: tuple[Remark, ...] = ()


def contact_sheet(tiles: Sequence[Tile], heading: str = "") -> Image.Image:
    """Lays out images of any sizes in rows, small ones enlarged, with their remarks.

    Args:
        tiles: One or more.
        heading: A line above everything; empty for none.

    Raises:
        ValueError: There are no tiles.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one tile")
    text, large = ImageFont.load_default(_TEXT), ImageFont.load_default(_HEADING)
    side = min(_LARGEST, max(_SMALLEST, *(max(tile.pixels.shape[:2]) for tile in tiles)))
    columns = _columns(len(tiles))
    width = columns * (side + _GAP) + _GAP
    lines = [_wrapped(tile.remarks, text, side) for tile in tiles]
    title = _wrapped((Remark(heading),), large, width - 2 * _GAP) if heading else []
    rows = [range(i, min(i + columns, len(tiles))) for i in range(0, len(tiles), columns)]
    heights = [side + _height(max(len(lines[i]) for i in row), _TEXT) + _GAP for row in rows]
    top = _GAP + (_height(len(title), _HEADING) if title else 0)
    sheet = Image.new("RGB", (width, top + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP // 2), title, large, _HEADING)
    for row, height in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            left = _GAP + column * (side + _GAP)
            _place(sheet, draw, tiles[i].pixels, (left, top, side))
            _write(draw, (left, top + side + _TEXT // 2), lines[i], text, _TEXT)
        top += height
    return sheet


def _columns(tiles: int) -> int:
    """Between square and twice as wide as high, whatever leaves the fewest gaps in the last row."""
    candidates = range(ceil(sqrt(tiles)), ceil(sqrt(2 * tiles)) + 1)
    return min(_MOST_COLUMNS, min(candidates, key=lambda columns: (-tiles % columns, columns)))


def _place(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, pixels: NDArray[np.uint8], box: tuple[int, ...]
) -> None:
    left, top, side = box
    image = Image.fromarray(pixels)
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    draw.rectangle((left - 1, top - 1, left + size[0], top + size[1]), outline=_RULE)
    sheet.paste(image.resize(size, Image.Resampling.LANCZOS), (left, top))


def _height(lines: int, size: int) -> int:
    return ceil(lines * _LINE * size) + size


def _write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    lines: Sequence[Remark],
    font: Font,
    size: int,
) -> None:
    for number, line in enumerate(lines):
        place = (corner[0], corner[1] + round(number * _LINE * size))
        draw.text(place, line.text, fill=line.colour, font=font)


def _wrapped(remarks: Sequence[Remark], font: Font, width: int) -> list[Remark]:
    """The remarks in lines of at most ``width`` pixels; longer words are split."""
    lines = []
    for remark in remarks:
        line = ""
        for word in remark.text.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(Remark(line, remark.colour))
                longer = word
            while font.getlength(longer) > width:
                fits = next(n for n in range(len(longer), 0, -1) if _fits(font, longer[:n], width))
                lines.append(Remark(longer[:fits], remark.colour))
                longer = longer[fits:]
            line = longer
        if line:
            lines.append(Remark(line, remark.colour))
    return lines


def _fits(font: Font, text: str, width: int) -> bool:
    return len(text) == 1 or font.getlength(text) <= width
