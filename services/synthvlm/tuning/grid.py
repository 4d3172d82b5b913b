"""The grid: which parameters take which values, and the cells that follow."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthvlm.errors import InvalidInput

MOST_CELLS = 500

_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 500),
    "guidance_scale": (0, 50),
    "high_noise_fraction": (0, 1),
}
"""Parameters that can be searched, with their bounds; all but ``steps`` must be above the lower."""


@dataclass(frozen=True)
class Cell:
    """One combination of values; None: as the profile says.

    Attributes:
        high_noise_fraction: Fraction of the schedule that the base denoises.
    """

    steps: int | None = None
    guidance_scale: float | None = None
    high_noise_fraction: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The values that the grid names, in its order."""
        values = {name: getattr(self, name) for name in _RANGES}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return " ".join(f"{name}={value:g}" for name, value in self.given.items())


def cells(specifications: Sequence[str]) -> list[Cell]:
    """All cells of a grid, the last parameter changing fastest.

    Args:
        specifications: ``NAME=VALUE,VALUE…`` each; one text may hold several, with spaces between.

    Raises:
        InvalidInput: A name is unknown or given twice, or a value is not a number or is out of
            range.
    """
    values: dict[str, list[Any]] = {}
    for text in " ".join(specifications).split():
        name, equals, listed = text.partition("=")
        if name not in _RANGES or not equals:
            raise InvalidInput(
                f"{text!r} is not of the form NAME=VALUE,VALUE with a NAME of {', '.join(_RANGES)}"
            )
        if name in values:
            raise InvalidInput(f"{name} is given twice; give all its values at once")
        values[name] = list(dict.fromkeys(_value(name, one) for one in listed.split(",")))
    if not values:
        raise InvalidInput("no parameter is given; try, for example, steps=8,10,20")
    ordered = [name for name in _RANGES if name in values]
    found = [
        Cell(**dict(zip(ordered, combination, strict=True)))
        for combination in itertools.product(*(values[name] for name in ordered))
    ]
    if len(found) > MOST_CELLS:
        raise InvalidInput(f"the grid has {len(found)} cells; {MOST_CELLS} are allowed")
    return found


def _value(name: str, text: str) -> int | float:
    least, most = _RANGES[name]
    whole = name == "steps"
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float("nan")
    if not (least <= value <= most) or (not whole and value == least):
        bounds = f"from {least} to {most}" if whole else f"above {least} to {most}"
        raise InvalidInput(f"{name} must be {bounds}, not {text!r}")
    return value
