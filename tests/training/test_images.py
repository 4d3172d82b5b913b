"""Pictures as LLaVA makes them fit the tower."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor

from synthvlm.training.images import mean_colour, pixel_values, square

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
PROCESSOR = CLIPImageProcessor(
    size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}, image_mean=CLIP_MEAN
)
GREY = (122, 116, 104)


def stripes(width: int, height: int) -> Image.Image:
    """White, with a red first and a blue last column, and the rows likewise where it is higher."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    if width >= height:
        pixels[:, 0], pixels[:, -1] = (255, 0, 0), (0, 0, 255)
    else:
        pixels[0], pixels[-1] = (255, 0, 0), (0, 0, 255)
    return Image.fromarray(pixels)


def test_the_mean_colour_is_that_of_clip_rounded_down() -> None:
    assert mean_colour(PROCESSOR) == GREY


@pytest.mark.parametrize(
    ("size", "above", "below"), [((4, 2), 1, 1), ((5, 2), 1, 2), ((6, 1), 2, 3), ((3, 3), 0, 0)]
)
def test_a_square_has_the_picture_in_its_middle(size, above, below) -> None:
    for turned in (False, True):
        image = stripes(*(size[::-1] if turned else size))
        pixels = np.asarray(square(image, GREY))
        pixels = pixels.transpose(1, 0, 2) if turned else pixels
        side = size[0]
        assert pixels.shape == (side, side, 3)
        assert (pixels[:above] == GREY).all()
        assert (pixels[side - below :] == GREY).all()
        middle = np.asarray(image).transpose(1, 0, 2) if turned else np.asarray(image)
        assert (pixels[above : side - below] == middle).all()


def test_padding_keeps_what_cropping_cuts_off() -> None:
    image = stripes(16, 8)
    cropped = pixel_values([image], PROCESSOR, "crop")
    padded = pixel_values([image], PROCESSOR, "pad")
    assert cropped.shape == padded.shape == (1, 3, 8, 8)
    assert torch.equal(
        cropped, pixel_values([stripes(16, 8).crop((4, 0, 12, 8))], PROCESSOR, "pad")
    )
    assert padded[0, :, 0].abs().max() < 0.1  # the border is nearly zero
    red, blue = padded[0, :, 4, 0], padded[0, :, 4, -1]
    assert red[0] > red[2]
    assert blue[2] > blue[0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_becomes_three_channels(mode) -> None:
    image = Image.new("RGB", (4, 8), (9, 9, 9)).convert(mode)
    assert pixel_values([image], PROCESSOR, "pad").shape == (1, 3, 8, 8)
