"""Charts of the owner's page as inline SVG; colours and fonts come from the stylesheet, by class.

Lengths are attributes of SVG, as the page's policy allows no inline style.
"""

from markupsafe import Markup

_WIDTH, _HEIGHT, _MARGIN = 1060, 74, 14
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


def bar(share: float, kind: str = "chosen") -> Markup:
    """A bar of a share between 0 and 1; the number stands beside it, so readers skip the bar."""
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="all" width="100" height="6"/>'
        '<rect class="{kind}" width="{width:.2f}" height="6"/></svg>'
    ).format(kind=kind, width=100 * min(max(share, 0.0), 1.0))


def _x(share: float) -> float:
    return _MARGIN + share * (_WIDTH - 2 * _MARGIN)
