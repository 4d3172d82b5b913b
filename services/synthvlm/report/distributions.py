"""Distributions of scores, collected in one pass over any number of them in fixed memory."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synthvlm.report.model import Distribution, Histogram, Summary

_LOW, _HIGH = -1.0, 1.0
_FINE = 4000
"""Bins over the widest range that a score has: 0.0005 each, the precision of medians."""

_BINS = 40
"""Approximate number of bins on the page."""

_WIDTHS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)

_Values = npt.NDArray[np.float64]


class Sketch:
    """A score's values, counted in fine bins; exact in mean, least and largest."""

    def __init__(self) -> None:
        self.counts = np.zeros(_FINE, np.int64)
        self._sum = 0.0
        self._least, self._largest = np.inf, -np.inf

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Counts values; those that are not finite are left out."""
        finite = values[np.isfinite(values)].astype(np.float64)
        if not len(finite):
            return
        self.counts += np.histogram(np.clip(finite, _LOW, _HIGH), _FINE, (_LOW, _HIGH))[0]
        self._sum += float(finite.sum())
        self._least = min(self._least, float(finite.min()))
        self._largest = max(self._largest, float(finite.max()))

    def summary(self) -> Summary:
        """Mean, median, least and largest."""
        total = int(self.counts.sum())
        if not total:
            return Summary(0.0, 0.0, 0.0, 0.0)
        middle = int(np.searchsorted(np.cumsum(self.counts), (total + 1) // 2))
        median = _LOW + (middle + 0.5) * (_HIGH - _LOW) / _FINE
        # The middle of a bin may lie outside the range of the values.
        median = min(max(median, self._least), self._largest)
        return Summary(self._sum / total, median, self._least, self._largest)


def distribution(
    column: str, everything: Sketch, selected: Sketch, threshold: float | None
) -> Distribution:
    """The distribution of a score, in bins of a round width that cover its values."""
    return Distribution(
        column=column,
        histogram=_histogram(everything.counts, selected.counts),
        everything=everything.summary(),
        selected=selected.summary(),
        threshold=threshold,
    )


def _histogram(everything: npt.NDArray[np.int64], selected: npt.NDArray[np.int64]) -> Histogram:
    used = np.flatnonzero(everything + selected)
    if not len(used):
        return Histogram(0.0, 1.0, [0], [0])
    fine = (_HIGH - _LOW) / _FINE
    span = (used[-1] - used[0] + 1) * fine
    width = next((width for width in _WIDTHS if span / width <= _BINS), _WIDTHS[-1])
    merged = round(width / fine)
    first, last = used[0] // merged, used[-1] // merged
    return Histogram(
        low=round(_LOW + int(first) * width, 6),
        width=width,
        everything=_merge(everything, merged)[first : last + 1],
        selected=_merge(selected, merged)[first : last + 1],
    )


def _merge(counts: npt.NDArray[np.int64], merged: int) -> Sequence[int]:
    return [int(count) for count in counts.reshape(-1, merged).sum(axis=1)]
