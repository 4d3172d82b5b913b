"""The plot: mean score against cost, a point per cell, as inline SVG."""

import math
from collections.abc import Iterator

from markupsafe import Markup

from synthvlm.tuning.comparison import Compared, Comparison

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 20, 46
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_TICKS = 6
_ROOM = 0.06  # margin around the points, as a fraction of the plot
_POINT = 5.0


class _Scale:
    """A range of numbers, laid over pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
        self.low, self.high = low - room, high + room
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self._start + part * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        step = _round_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step)
        return (n * step for n in range(first, math.floor(self.high / step) + 1))


def plot(comparison: Comparison, label: str) -> Markup:
    """Mean scores against evaluations per image.

    The bars are the 95% confidence intervals of the differences from the best, which decide: those
    of the means themselves are wider, because captions differ from one another.

    Args:
        comparison: The cells.
        label: Name of the score.
    """
    cells = sorted(comparison.cells, key=lambda one: one is comparison.chosen)  # that one on top
    costs = [one.measured.evaluations for one in cells]
    margins = [one.behind_margin if math.isfinite(one.behind_margin) else 0.0 for one in cells]
    lows = [one.mean - margin for one, margin in zip(cells, margins, strict=True)]
    highs = [one.mean + margin for one, margin in zip(cells, margins, strict=True)]
    x = _Scale(min(costs), max(costs), _LEFT, _LEFT + _PLOT_WIDTH)
    y = _Scale(min(lows), max(highs), _TOP + _PLOT_HEIGHT, _TOP)
    parts = [
        *_grid(x, y),
        *(
            _point(x, y, one, low, high, chosen=one is comparison.chosen)
            for one, low, high in zip(cells, lows, highs, strict=True)
        ),
        *_names(label),
    ]
    described = (
        f"{label} against evaluations of the denoising network per image, {len(cells)} "
        f"combinations; chosen: {comparison.chosen.measured.cell} with {comparison.chosen.mean:.4f}"
    )
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}'
        "</svg>"
    ).format(width=_WIDTH, height=_HEIGHT, label=described, body=Markup("").join(parts))


def _point(x: _Scale, y: _Scale, one: Compared, low: float, high: float, *, chosen: bool) -> Markup:
    kind = "chosen" if chosen else "good" if one.is_as_good else "all"
    return Markup(
        '<g class="cell {kind}"><title>{cell}: {mean:.4f}</title>'
        '<line class="interval" x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'
        '<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/></g>'
    ).format(
        kind=kind,
        cell=str(one.measured.cell),
        mean=one.mean,
        x=x.at(one.measured.evaluations),
        y=y.at(one.mean),
        y1=y.at(low),
        y2=y.at(high),
        radius=_POINT + 2 if chosen else _POINT,
    )


def _grid(x: _Scale, y: _Scale) -> Iterator[Markup]:
    for tick in y.ticks():
        yield Markup(
            '<line class="grid" x1="{x1}" x2="{x2}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text class="tick" x="{x}" y="{text:.1f}" text-anchor="end">{label}</text>'
        ).format(
            x1=_LEFT,
            x2=_WIDTH - _RIGHT,
            y=y.at(tick),
            x=_LEFT - 8,
            text=y.at(tick) + 4,
            label=f"{tick + 0.0:.4g}",
        )
    for tick in x.ticks():
        yield Markup(
            '<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{label}</text>'
        ).format(x=x.at(tick), y=_TOP + _PLOT_HEIGHT + 18, label=f"{tick + 0.0:g}")


def _names(label: str) -> Iterator[Markup]:
    yield Markup('<text class="tick" x="{x}" y="{y}" text-anchor="end">{text}</text>').format(
        x=_WIDTH - _RIGHT, y=_HEIGHT - 8, text="evaluations of the denoising network per image"
    )
    yield Markup('<text class="tick" x="{x}" y="{y}">{text}</text>').format(
        x=_LEFT,
        y=_TOP - 6,
        text=f"mean {label}; bars: 95% interval of the difference from the best",
    )


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10… (times any power of ten) that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
