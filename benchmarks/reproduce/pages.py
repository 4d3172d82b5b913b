"""The table and the plot of the experiment."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from markupsafe import Markup

import synthvlm
from benchmarks.reproduce.cells import Cell
from benchmarks.reproduce.design import ARMS, Design
from benchmarks.reproduce.summary import ArmFigures, ClaimFigures, student

_ROW, _LEFT, _PLOT, _TOP, _BOTTOM = 34, 430, 380, 16, 40
_LEAST_REACH: Final = 0.05


def table(
    design: Design,
    arms: Sequence[ArmFigures],
    claims: Sequence[ClaimFigures],
    cells: Sequence[Cell],
) -> str:
    """The results as Markdown."""
    seeds = len({cell.seed for cell in cells})
    missing = "" if seeds == design.seeds else f" of {design.seeds}"
    lines = [
        f"{seeds}{missing} seeds, each with pools of {design.captions:,} captions and "
        f"{design.repeats} images a caption. Shares in percent; intervals of 95 %.",
        "",
        "| arm | trained on | pairs | true | things a caption | right answers | relations |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm in arms:
        low, high = student(arm.accuracy)
        lines.append(
            f"| `{arm.arm}` | {ARMS[arm.arm]} | {arm.pairs:,.0f} | {100 * arm.true:.0f} | "
            f"{arm.things:.2f} | {100 * fmean(arm.accuracy):.1f} ({100 * low:.1f} to "
            f"{100 * high:.1f}) | {100 * arm.relation:.0f} |"
        )
    lines += [
        "",
        "| claim | arms | difference in points | over seeds | over questions | |",
        "|---|---|---|---|---|---|",
    ]
    for one in claims:
        lines.append(
            f"| {one.claim.text} | `{one.claim.better}` - `{one.claim.than}` | "
            f"{100 * one.difference:+.1f} | {_interval(one.seeds)} | {_interval(one.questions)} | "
            f"{one.verdict} |"
        )
    lines += ["", f"Code: `{code_digest()}`, SynthVLM {synthvlm.__version__}.", ""]
    lines += ["| seed | arm | dataset version | evaluation |", "|---|---|---|---|"]
    lines += [
        f"| {cell.seed} | `{cell.arm}` | `{cell.version.digest}` | `{cell.evaluation.digest}` |"
        for cell in cells
    ]
    return "\n".join([*lines, ""])


def plot(claims: Sequence[ClaimFigures]) -> str:
    """The differences with both intervals, as an SVG image."""
    ends = [abs(end) for one in claims for end in (*one.seeds, *one.questions)]
    reach = max(_LEAST_REACH, *ends) * 1.05
    height = _TOP + _ROW * len(claims) + _BOTTOM

    def x(value: float) -> float:
        return _LEFT + (value / reach + 1) / 2 * _PLOT

    parts = [
        Markup('<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" stroke="#888"/>').format(
            x(0), _TOP, height - _BOTTOM
        ),
        Markup(
            '<text x="{:.1f}" y="{}" text-anchor="middle">points of right answers</text>'
        ).format(x(0), height - 6),
    ]
    parts.extend(
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:+.1f}</text>').format(
            x(tick), height - 24, 100 * tick
        )
        for tick in (-reach / 1.05, 0, reach / 1.05)
    )
    for number, one in enumerate(claims):
        y = _TOP + _ROW * number + _ROW / 2
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                _LEFT - 12, y + 4, one.claim.text
            )
        )
        for interval, width, colour in ((one.questions, 6, "#9db4ff"), (one.seeds, 2, "#3056d3")):
            parts.append(
                Markup(
                    '<line x1="{:.1f}" x2="{:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{}" '
                    'stroke-width="{}"/>'
                ).format(x(interval[0]), x(interval[1]), colour, width, y=y)
            )
        parts.append(
            Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="#1b1d22"/>').format(
                x(one.difference), y
            )
        )
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="{label}">'
        '<rect width="{width}" height="{height}" fill="#ffffff"/>{body}</svg>\n'
    ).format(
        width=_LEFT + _PLOT + 24,
        height=height,
        label="Differences between arms: intervals over seeds (thin) and over questions (thick)",
        body=Markup("").join(parts),
    )


def code_digest() -> str:
    """Digest of all of the package's files, and of the experiment's."""
    whole = hashlib.sha256()
    for root in (Path(synthvlm.__file__).parent, Path(__file__).parent):
        for file in sorted(root.rglob("*")):
            if file.suffix in (".py", ".yaml", ".jinja") and "v1" not in file.parts:
                whole.update(file.relative_to(root).as_posix().encode())
                whole.update(hashlib.sha256(file.read_bytes()).digest())
    return f"sha256:{whole.hexdigest()}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"
