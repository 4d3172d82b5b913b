"""Which cell is chosen: the best by its mean score, or a cheaper one that is as good.

All cells synthesise the same captions from the same seeds, so they are compared caption by caption:
the differences vary much less than the scores do, so few captions suffice to tell cells apart.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthvlm.errors import PreconditionFailed
from synthvlm.tuning.grid import Cell

Z = 1.96
"""Half the width of a mean's 95% confidence interval, in standard errors."""


@dataclass(frozen=True)
class Measured:
    """The scores and times of a cell's images.

    Attributes:
        parameters: The complete sampling parameters that were used, by the proto's names.
        scores: The score by caption id.
        failed: Images that could not be made or scored.
        seconds: Seconds per image, as timed when they were made; None if that is not known.
    """

    cell: Cell
    parameters: Mapping[str, Any]
    scores: Mapping[str, float]
    failed: int
    seconds: float | None

    @property
    def evaluations(self) -> int:
        """Runs of a denoising network per image: the steps, twice that with guidance.

        The cost by which cells are compared. Unlike seconds it is always the same on every
        machine, and so is the choice.
        """
        guided = self.parameters["guidance_scale"] > 1
        return int(self.parameters["steps"]) * (2 if guided else 1)


@dataclass(frozen=True)
class Compared:
    """A cell compared with the best one.

    Attributes:
        mean: Mean score over the captions that all cells have.
        margin: Half the width of the mean's 95% confidence interval.
        behind: Mean of the best cell's score less this one's, caption by caption; 0 for the best.
        behind_margin: Half the width of its 95% confidence interval.
    """

    measured: Measured
    mean: float
    margin: float
    behind: float
    behind_margin: float

    @property
    def is_as_good(self) -> bool:
        """Whether the captions cannot tell it from the best."""
        return self.behind <= self.behind_margin


@dataclass(frozen=True)
class Comparison:
    """All cells, best first.

    Attributes:
        captions: Captions that all cells have a score for.
        cells: The cells by their mean, best first.
        chosen: The cheapest of those that are as good as the best; of equally cheap ones the best.
    """

    captions: int
    cells: Sequence[Compared]
    chosen: Compared


def compare(measured: Sequence[Measured]) -> Comparison:
    """Compares cells over the captions that all of them have a score for.

    Raises:
        PreconditionFailed: No caption has a score in every cell.
    """
    common = set.intersection(*(set(one.scores) for one in measured))
    if not common:
        raise PreconditionFailed("no caption has a scored image in every cell of the grid")
    ordered = sorted(common)
    table = np.array([[one.scores[caption] for caption in ordered] for one in measured])
    means = table.mean(axis=1)
    best = int(means.argmax())
    compared = [
        Compared(
            measured=one,
            mean=float(mean),
            margin=_margin(row),
            behind=float((table[best] - row).mean()),
            behind_margin=_margin(table[best] - row),
        )
        for one, row, mean in zip(measured, table, means, strict=True)
    ]
    cells = sorted(compared, key=lambda one: -one.mean)
    as_good = [one for one in cells if one.is_as_good]
    chosen = min(as_good, key=lambda one: (one.measured.evaluations, -one.mean))
    return Comparison(len(ordered), cells, chosen)


def _margin(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float:
    if len(values) < 2:
        return math.inf
    return float(Z * values.std(ddof=1) / math.sqrt(len(values)))
