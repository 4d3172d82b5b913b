"""How functions over pixels are compiled: when they are first called, by Numba."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

Pixels = npt.NDArray[np.uint8]
"""uint8 RGB of shape (height, width, 3)."""

Rows = npt.NDArray[np.uint8]
"""The same as rows of values, of shape (height, width x 3)."""

compiled = njit(
    nogil=True,
    # Division by zero, which the kernels have none of, is not looked for: that keeps vectors away.
    error_model="numpy",
    # Kept beside the source like Python's bytecode, where that may be written: compiling takes 2 s.
    cache=os.access(Path(__file__).parent, os.W_OK),
)
"""Decorates a function whose constants are in its own file: a change of others goes unnoticed."""


def rows_of(pixels: Pixels) -> Rows:
    """Rows of an image, read-only: whatever the image, its functions are compiled only once."""
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    rows.flags.writeable = False
    return rows
