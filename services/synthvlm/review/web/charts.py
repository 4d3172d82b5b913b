"""Charts of the owner's page as inline SVG; colours and fonts come from the stylesheet, by class.

Lengths are attributes of SVG, as the page's policy allows no inline style.
"""

from collections.abc import Sequence

from markupsafe import Markup

from synthvlm.review.statistics.calibration import Point

_WIDTH, _HEIGHT, _MARGIN = 1060, 74, 14
_BAND_TOP, _BAND_HEIGHT = 24, 190
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def interval_chart(estimate: float, low: float, high: float, label: str) -> Markup:
    """A share between 0 and 1 with its interval, on a scale from 0 to 100 percent.

    Args:
        estimate: The share.
        low: Lower end of the interval.
        high: Upper end.
        label: What it is, for screen readers.
    """
    ticks = Markup("").join(
        Markup(
            '<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="12" y2="46"/>'
            '<text x="{x:.1f}" y="66" text-anchor="{anchor}">{text}</text>'
        ).format(
            x=_x(tick),
            anchor={0.0: "start", 1.0: "end"}.get(tick, "middle"),
            text=f"{100 * tick:.0f} %",
        )
        for tick in _TICKS
    )
    return Markup(
        '<svg class="chart interval" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="{label}: {value:.1f} %, interval from {low_text:.1f} % to {high_text:.1f} %">'
        '{ticks}<rect class="span" x="{left:.1f}" y="22" width="{span:.1f}" height="14" rx="7"/>'
        '<circle class="chosen" cx="{x:.1f}" cy="29" r="9"/></svg>'
    ).format(
        width=_WIDTH,
        height=_HEIGHT,
        label=label,
        value=100 * estimate,
        low_text=100 * low,
        high_text=100 * high,
        ticks=ticks,
        left=_x(low),
        span=max(_x(high) - _x(low), 2.0),
        x=_x(estimate),
    )


def precision_chart(points: Sequence[Point]) -> Markup:
    """Precision against the share of the pairs that a threshold keeps, with its band.

    The scale begins at the lowest end of the band, rounded down to a tenth. A table says the same
    in numbers, so readers skip the chart.

    Args:
        points: Two or more, by rising threshold.
    """
    floor = min(int(min(point.precision.low for point in points) * 10) / 10, 0.9)

    def y(share: float) -> float:
        return _BAND_TOP + (1 - share) / (1 - floor) * _BAND_HEIGHT

    def line(shares: Sequence[float]) -> list[str]:
        pairs = zip(points, shares, strict=True)
        return [f"{_x(point.kept):.1f},{y(share):.1f}" for point, share in pairs]

    high = line([point.precision.high for point in points])
    low = line([point.precision.low for point in points])
    rows = Markup("").join(
        Markup(
            '<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text x="{left}" y="{text:.1f}">{share:.0f} %</text>'
        ).format(left=_x(0), right=_x(1), y=y(share), text=y(share) - 5, share=100 * share)
        for share in (floor, (1 + floor) / 2, 1.0)
    )
    columns = Markup("").join(
        Markup('<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{text}</text>').format(
            x=_x(tick),
            y=_BAND_TOP + _BAND_HEIGHT + 22,
            anchor={0.0: "start", 1.0: "end"}.get(tick, "middle"),
            text=f"{100 * tick:.0f} % kept",
        )
        for tick in _TICKS
    )
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height}" aria-hidden="true">'
        '<polygon class="span" points="{band}"/>{rows}{columns}'
        '<polyline class="line" points="{line}"/></svg>'
    ).format(
        width=_WIDTH,
        height=_BAND_TOP + _BAND_HEIGHT + 30,
        band=" ".join([*high, *reversed(low)]),
        rows=rows,
        columns=columns,
        line=" ".join(line([point.precision.estimate for point in points])),
    )


def bar(share: float, kind: str = "chosen") -> Markup:
    """A bar of a share between 0 and 1; the number stands beside it, so readers skip the bar."""
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="all" width="100" height="6"/>'
        '<rect class="{kind}" width="{width:.2f}" height="6"/></svg>'
    ).format(kind=kind, width=100 * min(max(share, 0.0), 1.0))


def _x(share: float) -> float:
    return _MARGIN + share * (_WIDTH - 2 * _MARGIN)
