"""How pictures are made to fit the vision tower in each stage."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from PIL import Image

Aspect = Literal["crop", "pad"]
"""What is done with pictures that are not square. ``crop``, in stage 1: the image processor's own
way, the shorter side is resized and the middle cut out. ``pad``, in stage 2: they are first put on
a square of the mean colour, so that nothing is lost."""


def square(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """The picture in the middle of the smallest square of ``colour`` that holds it.

    As LLaVA's ``image_aspect_ratio pad``: an odd pixel goes to the right or the bottom.
    """
    if image.width == image.height:
        return image
    side = max(image.size)
    result = Image.new("RGB", (side, side), colour)
    result.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return result


def mean_colour(image_processor: Any) -> tuple[int, int, int]:
    """The colour that becomes (nearly) zero when the processor normalises it, rounded down."""
    red, green, blue = (int(share * 255) for share in image_processor.image_mean)
    return red, green, blue


def pixel_values(
    images: Sequence[Image.Image], image_processor: Any, aspect: Aspect
) -> torch.Tensor:
    """The pictures as the vision tower reads them: float32 (n, 3, height, width)."""
    plain = [image.convert("RGB") for image in images]
    if aspect == "pad":
        colour = mean_colour(image_processor)
        plain = [square(image, colour) for image in plain]
    values: torch.Tensor = image_processor(images=plain, return_tensors="pt")["pixel_values"]
    return values
