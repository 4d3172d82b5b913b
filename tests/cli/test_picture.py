"""Pictures in a terminal."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.color import Color

from synthvlm.cli.terminal.picture import half_blocks


def encoded(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def test_a_character_holds_two_pixels() -> None:
    image = Image.new("RGB", (2, 2), (255, 0, 0))
    image.putpixel((0, 1), (0, 0, 255))
    text = half_blocks(encoded(image), 80)
    assert text.plain == "▀▀\n"
    style = text.spans[0].style
    assert not isinstance(style, str)
    assert style.color == Color.from_rgb(255, 0, 0)
    assert style.bgcolor == Color.from_rgb(0, 0, 255)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_it_fits(width: int, height: int, columns: int) -> None:
    lines = half_blocks(encoded(Image.new("L", (width, height))), columns).plain.splitlines()
    assert 1 <= len(lines) <= 24
    assert all(1 <= len(line) <= min(columns, 64) for line in lines)
