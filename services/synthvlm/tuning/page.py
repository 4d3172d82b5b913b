"""The page of a search: one self-contained HTML file without scripts."""

import math

import jinja2

from synthvlm.report.model import SCORES
from synthvlm.tuning.chart import plot
from synthvlm.tuning.result import Result


def render_page(result: Result) -> str:
    """The page.

    Args:
        result: Everything that it shows. All texts are escaped.

    Returns:
        A complete HTML document.
    """
    loader = jinja2.ChoiceLoader(
        [jinja2.PackageLoader("synthvlm.tuning"), jinja2.PackageLoader("synthvlm.report")]
    )
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["margin"] = _margin
    label = SCORES[result.metric]
    chosen = result.comparison.chosen
    return environment.get_template("tune.html.j2").render(
        result=result,
        comparison=result.comparison,
        chosen=chosen,
        names=list(chosen.measured.cell.given),
        label=label,
        plot=plot(result.comparison, label),
    )


def _margin(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "\N{EN DASH}"
