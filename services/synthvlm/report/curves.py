"""Loss curves as inline SVG, in the style of the page's other charts."""

import math
from collections.abc import Iterator

from markupsafe import Markup, escape

from synthvlm.report.charts import round_step
from synthvlm.report.model import StageCurve

_WIDTH, _HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 14, 26
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LINES = 4
_TICKS = 5
_MOST_POINTS = 400
"""As many as the eye can tell apart at this width."""


def loss_curve(curve: StageCurve) -> Markup:
    """The loss of a stage over its steps."""
    points = [(point.step, point.loss) for point in curve.points if math.isfinite(point.loss)]
    most = max((loss for _, loss in points), default=0) or 1
    step = round_step(most / _LINES)
    top = step * math.ceil(most / step - 1e-9)
    last = max((step for step, _ in points), default=1)
    parts = [*_grid(top, step), *_axis(last), _line(_thinned(points), top, last)]
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}'
        "</svg>"
    ).format(
        width=_WIDTH,
        height=_HEIGHT,
        label=_description(curve, points),
        body=Markup("").join(escape(part) for part in parts),
    )


def _description(curve: StageCurve, points: list[tuple[int, float]]) -> str:
    if not points:
        return f"Loss of the stage {curve.stage}: nothing was recorded"
    losses = [loss for _, loss in points]
    return (
        f"Loss of the stage {curve.stage} over {points[-1][0]:,} steps: from {losses[0]:.3f} to "
        f"{losses[-1]:.3f}, mean {sum(losses) / len(losses):.3f}"
    )


def _thinned(points: list[tuple[int, float]]) -> list[tuple[float, float]]:
    """Means of neighbours, where there are more points than can be seen."""
    each = max(1, math.ceil(len(points) / _MOST_POINTS))
    runs = [points[start : start + each] for start in range(0, len(points), each)]
    return [(run[-1][0], sum(loss for _, loss in run) / len(run)) for run in runs]


def _line(points: list[tuple[float, float]], top: float, last: int) -> Markup:
    places = " ".join(
        f"{_LEFT + step / last * _PLOT_WIDTH:.2f},{_TOP + _PLOT_HEIGHT * (1 - loss / top):.2f}"
        for step, loss in points
    )
    return Markup('<polyline class="curve" points="{places}"/>').format(places=places)


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
            label=f"{round(number * step, 6):g}",
        )


def _axis(last: int) -> Iterator[Markup]:
    step = max(1.0, round_step(last / _TICKS))
    tick = 0.0
    while tick <= last:
        yield Markup(
            '<text class="tick" x="{x:.2f}" y="{y}" text-anchor="middle">{label}</text>'
        ).format(x=_LEFT + tick / last * _PLOT_WIDTH, y=_HEIGHT - 8, label=f"{tick:,.0f}")
        tick += step
