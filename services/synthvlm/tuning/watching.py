"""Showing the progress of a search: a bar on a terminal, else a line per cell."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from synthvlm.tuning.comparison import Measured
from synthvlm.tuning.grid import Cell

PLAIN_SECONDS = 10.0
"""Least time between two plain lines about a cell."""


class SearchDisplay:
    """Shows cells and images.

    Args:
        label: Name of the score.
        clock: The current time in seconds.
    """

    def __init__(
        self, console: Console, label: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._label = label
        self._clock = clock
        self._said = clock()
        self._cell = ""
        self._images = 0
        self._before = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("images"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> "SearchDisplay":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, cell: Cell, number: int, cells: int, images: int) -> None:
        """A cell begins."""
        self._cell = f"{number}/{cells} {cell}"
        self._images = images
        self._before = (number - 1) * images
        self._progress.update(self._task, total=cells * images)
        self.progress("generate", 0)

    def progress(self, stage: str, done: int) -> None:
        """``done`` images of the cell have passed a stage."""
        made = done if stage == "generate" else self._images
        self._progress.update(
            self._task, completed=self._before + made, description=f"{self._cell} {stage}"
        )
        now = self._clock()
        if not self._console.is_terminal and now - self._said >= PLAIN_SECONDS:
            self._said = now
            self._line(f"{self._cell}: {stage} {done:,}/{self._images:,}")

    def end(self, measured: Measured) -> None:
        """Reports the cell's mean score and time."""
        self._said = self._clock()
        scores = measured.scores.values()
        mean = f"{sum(scores) / len(scores):.4f}" if scores else "none"
        seconds = "" if measured.seconds is None else f", {measured.seconds:.3f} s/image"
        self._line(f"{self._cell}: mean {self._label} {mean}{seconds}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
