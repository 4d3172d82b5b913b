"""Cells of a grid, and scores for them."""

import random

from synthvlm.tuning.comparison import Measured
from synthvlm.tuning.grid import Cell

FAST, MIDDLE, SLOW = (Cell(steps=steps) for steps in (8, 10, 20))


def measured(cell, mean, *, noise=0.01, captions=200, shared=True, seconds=0.1, guidance=2.0):
    """Scores around a mean; they vary much more between captions than between cells."""
    easy = random.Random(1)
    own = random.Random(str(cell))
    scores = {
        f"c{number}": mean + (easy.gauss(0, 0.1) if shared else 0) + own.gauss(0, noise)
        for number in range(captions)
    }
    parameters = {"steps": 10, "guidance_scale": guidance, **cell.given}
    return Measured(cell, parameters, scores, 0, seconds)
