"""The pages: each one self-contained HTML file, without scripts and requests."""

from collections.abc import Callable
from dataclasses import dataclass

import jinja2

from synthvlm.report import figures
from synthvlm.report.charts import histogram
from synthvlm.report.curves import loss_curve
from synthvlm.report.evaluation import CONDITIONS, compared
from synthvlm.report.model import SCORES, FilterDrops, RunReport
from synthvlm.report.outcome import Outcome

QUESTIONS_PAGE_FILE = "questions.html"
"""The page of questions, to which the report links, in the same folder."""

_NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Step:
    """One line of the funnel, as a bar from ``start`` to ``end`` in percent of the widest.

    Attributes:
        label: What is counted.
        kind: ``stands`` for what remains, ``lost`` for what was left out, ``chosen`` for the end.
        note: A remark beside the bar.
    """

    label: str
    records: int
    kind: str
    note: str
    start: float
    end: float


def render_report(data: RunReport) -> str:
    """The page of a run.

    Args:
        data: Everything that it shows. All texts are escaped, whatever they hold.

    Returns:
        A complete HTML document.
    """
    return (
        page_environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            score_names=SCORES,
            captions_funnel=_captions_funnel(data),
            images_funnel=_images_funnel(data),
            histogram=histogram,
            loss_curve=loss_curve,
            conditions=CONDITIONS,
            questions_page=QUESTIONS_PAGE_FILE,
            groups=[] if data.evaluation is None else compared(data.evaluation.record),
            figure=figures.figure,
            limits=_limits,
            seconds=(data.finished - data.started).total_seconds(),
            slowest=max([stage.seconds for stage in data.stages], default=0) or 1,
        )
    )


def render_outcome(outcome: Outcome) -> str:
    """The page of a run that has no dataset version to show.

    Returns:
        A complete HTML document, as self-contained as the report of a dataset version.
    """
    made = {
        "selection": outcome.selection,
        "dataset version": outcome.version,
        "model": outcome.model,
        "evaluation": outcome.evaluation,
    }
    return (
        page_environment()
        .get_template("outcome.html.j2")
        .render(
            outcome=outcome,
            made={name: ref for name, ref in made.items() if ref is not None},
            slowest=max((stage.seconds for stage in outcome.stages), default=0) or 1,
        )
    )


def page_environment() -> jinja2.Environment:
    """The templates of the pages, with the filters that they use; all texts are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthvlm.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "count": lambda number: f"{number:,}",
        "score": lambda number: f"{number:.3f}",
        "value": figures.value,
        "breakable": figures.breakable,
        "percent": lambda part: f"{100 * part:.1f} %",
        "duration": figures.duration,
        "size": figures.size,
        "money": lambda price: _NOTHING if price is None else f"{price:,.2f}",
    }
    environment.filters |= filters
    return environment


def _captions_funnel(data: RunReport) -> list[Step]:
    """From the records read to the pairs selected, with each loss in between."""
    counts = data.counts
    funnel = _Funnel(counts.read)
    funnel.stands("Records read", counts.read)
    for reason in data.quarantine:
        funnel.loses(f"quarantined: {reason.reason}", reason.records)
    for rule in data.filters:
        funnel.loses(rule.rule, rule.records)
    funnel.stands("Captions kept", counts.kept)
    funnel.loses("without a scored image", counts.kept - counts.captioned)
    funnel.loses("below the threshold", counts.captioned - counts.selected)
    funnel.stands("Pairs selected", counts.selected, "chosen", "one image a caption")
    return funnel.steps


def _images_funnel(data: RunReport) -> list[Step]:
    counts = data.counts
    asked = counts.generated + sum(counts.generation_failed.values())
    funnel = _Funnel(asked)
    if counts.generation_failed:
        funnel.stands("Images asked for", asked)
    for reason, records in counts.generation_failed.items():
        funnel.loses(f"not generated: {reason}", records)
    each = f"{counts.generated / counts.kept:.3g} a caption" if counts.kept else ""
    funnel.stands("Images generated", counts.generated, note=each)
    for reason, records in counts.scoring_failed.items():
        funnel.loses(f"not scored: {reason}", records)
    funnel.stands("Images scored", counts.scored)
    funnel.stands("Images selected", counts.selected, "chosen")
    return funnel.steps


class _Funnel:
    """Lays out bars: what remains starts at the left, what is lost ends where the last bar ends."""

    def __init__(self, whole: int) -> None:
        self._scale = 100 / max(whole, 1)
        self._left = whole
        self._whole = whole
        self.steps: list[Step] = []

    def stands(self, label: str, records: int, kind: str = "stands", note: str = "") -> None:
        self._left = records
        self.steps.append(Step(label, records, kind, note, 0, records * self._scale))

    def loses(self, label: str, records: int) -> None:
        if not records:
            return
        start, end = (self._left - records) * self._scale, self._left * self._scale
        note = f"{100 * records / self._whole:.1f} %"
        self.steps.append(Step(label, records, "lost", note, start, end))
        self._left -= records


def _limits(rule: FilterDrops) -> str:
    """What a filter keeps, in words."""
    least, largest = rule.limits
    if least is not None and largest is not None:
        return f"{figures.value(least)} to {figures.value(largest)}"
    if least is not None:
        return f"{figures.value(least)} or more"
    return f"{figures.value(largest)} or less" if largest is not None else ""
