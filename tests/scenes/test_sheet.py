"""Contact sheets: every image whole and legible, nothing outside the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthvlm.scenes.files import write_sheet
from synthvlm.scenes.sheet import BAD, Remark, Tile, contact_sheet


def tile(height: int, width: int, *remarks: str) -> Tile:
    return Tile(
        np.full((height, width, 3), (0, 0, 255), np.uint8), tuple(Remark(r, BAD) for r in remarks)
    )


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.integers(1, 400), st.text(max_size=80)),
        min_size=1,
        max_size=9,
    )
)
def test_images_of_any_size_and_any_remarks_fit(shapes: list[tuple[int, int, str]]) -> None:
    sheet = np.asarray(contact_sheet([tile(*shape) for shape in shapes], "heading"))
    border = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]])
    assert (border == 255).all()


def test_small_images_are_enlarged_and_large_ones_reduced() -> None:
    for side, shown in ((64, 192), (256, 256), (1024, 320)):
        sheet = np.asarray(contact_sheet([tile(side, side)]))
        blue = (sheet == (0, 0, 255)).all(-1)
        assert blue.any(0).sum() == blue.any(1).sum() == shown


def test_long_remarks_take_more_room_and_stay_below_their_image() -> None:
    words = "a big red circle " * 10
    short, long = (contact_sheet([tile(64, 64, text)] * 2) for text in ("a", words))
    assert long.width == short.width
    assert long.height > short.height + 50
    red = (np.asarray(long) == BAD).all(-1).any(0)
    assert red[:20].sum() == red[-20:].sum() == 0


def test_the_sheet_of_no_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_a_sheet_of_scenes_shows_all_of_them(tmp_path) -> None:
    count = 7
    write_sheet(1, count, tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.width * sheet.height > count * 192 * 192
