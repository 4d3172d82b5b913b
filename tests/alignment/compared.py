"""Pairs of images to compare, and what scikit-image says of them."""

import numpy as np
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from synthvlm.alignment.compiled import Pixels


def as_scikit_image(first: Pixels, second: Pixels) -> float:
    """``structural_similarity`` of scikit-image 0.26 with the paper's options, line by line."""
    values = []
    for channel in range(first.shape[2]):
        x, y = (image[..., channel].astype(np.float64) for image in (first, second))
        smooth = {"sigma": 1.5, "truncate": 3.5, "mode": "reflect"}
        ux, uy = gaussian_filter(x, **smooth), gaussian_filter(y, **smooth)
        vx = gaussian_filter(x * x, **smooth) - ux * ux
        vy = gaussian_filter(y * y, **smooth) - uy * uy
        vxy = gaussian_filter(x * y, **smooth) - ux * uy
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        s = ((2 * ux * uy + c1) * (2 * vxy + c2)) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
        values.append(s[5:-5, 5:-5].mean(dtype=np.float64))
    return float(np.mean(values))


@st.composite
def pairs(draw: st.DrawFn, sides: st.SearchStrategy[int]) -> tuple[Pixels, Pixels]:
    """Two images of a size: unrelated, near to each other, or flat."""
    height, width = draw(sides), draw(sides)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = rng.integers(0, 256, (height, width, 3), np.uint8)
    kind = draw(st.sampled_from(["other", "near", "flat", "inverse"]))
    if kind == "other":
        return first, rng.integers(0, 256, first.shape, np.uint8)
    if kind == "flat":
        flat = np.full_like(first, draw(st.integers(0, 255)))
        return flat, np.full_like(first, draw(st.integers(0, 255)))
    if kind == "inverse":
        return first, 255 - first
    noise = rng.normal(0, draw(st.floats(0.1, 60)), first.shape)
    return first, np.clip(first + noise, 0, 255).astype(np.uint8)
