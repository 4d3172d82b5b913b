"""Charts as inline SVG. Colours and fonts come from the page's stylesheet, by class."""

import math
from collections.abc import Iterator

from markupsafe import Markup, escape

from synthvlm.report.model import SCORES, Distribution, Histogram

_WIDTH, _HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 22, 26
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LABEL_ROOM = 110
_TICKS = 7


def histogram(distribution: Distribution) -> Markup:
    """A histogram of a score: all images, with the selected ones in front."""
    shown = distribution.histogram
    most = max(*shown.everything, 1)
    step = round_step(most / 3)
    top = step * math.ceil(most / step)
    parts = [
        *_grid(top, step),
        *_bars(shown, top),
        *_axis(shown),
        *_threshold(distribution),
    ]
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}'
        "</svg>"
    ).format(width=_WIDTH, height=_HEIGHT, label=_description(distribution), body=_join(parts))


def _description(distribution: Distribution) -> str:
    everything, selected = distribution.everything, distribution.selected
    threshold = distribution.threshold
    return (
        f"Histogram of {SCORES[distribution.column]}: all images from {everything.least:.3f} to "
        f"{everything.largest:.3f}, mean {everything.mean:.3f}; selected pairs from "
        f"{selected.least:.3f} to {selected.largest:.3f}, mean {selected.mean:.3f}"
        + ("" if threshold is None else f"; selected from {threshold:.3f} upwards")
    )


def _bars(shown: Histogram, top: float) -> Iterator[Markup]:
    width = _PLOT_WIDTH / len(shown.everything)
    gap = min(1.0, width / 5)
    for place, (every, chosen) in enumerate(zip(shown.everything, shown.selected, strict=True)):
        if not every:
            continue
        left = shown.low + place * shown.width
        yield Markup(
            "<g><title>{start} to {end}: {every} images, {chosen} selected</title>{all}{part}</g>"
        ).format(
            start=_number(left),
            end=_number(left + shown.width),
            every=f"{every:,}",
            chosen=f"{chosen:,}",
            all=_bar("all", place * width, width - gap, every / top),
            part=_bar("chosen", place * width, width - gap, chosen / top),
        )


def _bar(name: str, left: float, width: float, part: float) -> Markup:
    if not part:
        return Markup("")
    height = max(part * _PLOT_HEIGHT, 1.0)
    return Markup(
        '<rect class="{name}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/>'
    ).format(name=name, x=_LEFT + left, y=_TOP + _PLOT_HEIGHT - height, width=width, height=height)


def _grid(top: float, step: float) -> Iterator[Markup]:
    for number in range(round(top / step) + 1):
        y = _TOP + _PLOT_HEIGHT * (1 - number * step / top)
        yield Markup(
            '<line class="grid" x1="{x1}" x2="{x2}" y1="{y:.2f}" y2="{y:.2f}"/>'
            '<text class="tick" x="{x}" y="{text:.2f}" text-anchor="end">{label}</text>'
        ).format(
            x1=_LEFT,
            x2=_WIDTH - _RIGHT,
            y=y,
            x=_LEFT - 6,
            text=y + 4,
            label=_count(number * step),
        )


def _axis(shown: Histogram) -> Iterator[Markup]:
    high = shown.low + shown.width * len(shown.everything)
    step = round_step((high - shown.low) / _TICKS)
    tick = math.ceil(shown.low / step - 1e-9) * step
    while tick <= high + step * 1e-6:
        yield Markup(
            '<text class="tick" x="{x:.2f}" y="{y}" text-anchor="middle">{label}</text>'
        ).format(x=_x(shown, tick), y=_HEIGHT - 8, label=_number(tick))
        tick += step


def _threshold(distribution: Distribution) -> Iterator[Markup]:
    if distribution.threshold is None:
        return
    x = _x(distribution.histogram, distribution.threshold)
    right = x > _WIDTH - _RIGHT - _LABEL_ROOM
    yield Markup(
        '<line class="threshold" x1="{x:.2f}" x2="{x:.2f}" y1="{y1}" y2="{y2}"/>'
        '<text class="threshold-label" x="{text:.2f}" y="{y}" text-anchor="{anchor}">{label}</text>'
    ).format(
        x=x,
        y1=_TOP - 10,
        y2=_TOP + _PLOT_HEIGHT,
        text=x - 5 if right else x + 5,
        y=_TOP - 6,
        anchor="end" if right else "start",
        label=f"threshold {distribution.threshold:.3f}",
    )


def _x(shown: Histogram, value: float) -> float:
    return _LEFT + (value - shown.low) / (shown.width * len(shown.everything)) * _PLOT_WIDTH


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10… (times any power of ten) that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:g}"


def _count(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _join(parts: list[Markup]) -> Markup:
    return Markup("").join(escape(part) for part in parts)
