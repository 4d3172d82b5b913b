"""open_clip's image transform, and the same for square images with less work."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize

from synthvlm.alignment.bicubic import resize_square
from synthvlm.alignment.engine import Floats

Preprocess = Callable[[Image.Image], Floats]
"""Converts an RGB image to the model's input of shape (3, height, width)."""


def preprocessing(transform: Compose) -> Preprocess:
    """A transform of open_clip, which square images take another way to the same values.

    Where it resizes by the bicubic filter to a square of its own, nothing of a square image is cut
    off, and each of its 256 levels can be normalised once for all images.
    """

    def plain(image: Image.Image) -> Floats:
        values: Floats = transform(image).numpy()
        return values

    resize, *others, normalize = transform.transforms
    side = _side(resize)
    crops = [tuple(one.size) for one in others if isinstance(one, CenterCrop)]
    if side is None or crops not in ([], [(side, side)]) or not isinstance(normalize, Normalize):
        return plain
    # What ToTensor and Normalize make of each level of each channel.
    levels = normalize(torch.arange(256).div(255).expand(3, 1, 256)).numpy()[:, 0]

    def quick(image: Image.Image) -> Floats:
        if image.width != image.height:
            return plain(image)
        pixels = resize_square(np.asarray(image), side)
        return np.stack([levels[channel][pixels[..., channel]] for channel in range(3)])

    return quick


def _side(resize: Any) -> int | None:
    """The side of the square that is resized to; None: there is none."""
    if not isinstance(resize, Resize) or resize.interpolation != InterpolationMode.BICUBIC:
        return None
    sides = {resize.size} if isinstance(resize.size, int) else set(resize.size)
    return sides.pop() if len(sides) == 1 else None
