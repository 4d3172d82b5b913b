"""``synthvlm evaluations``: what models answered, and how far two of them are apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from synthvlm.atomic_files import write_atomically
from synthvlm.cli.failures import CommandError
from synthvlm.cli.options import HomeOption, JsonOption, chosen_home
from synthvlm.cli.terminal.output import print_json, stdout_console, styled
from synthvlm.evaluation.catalogue import Found, evaluations, find_evaluation
from synthvlm.evaluation.comparison import Comparison, Difference, compare
from synthvlm.evaluation.results import Estimate, Result, Unit
from synthvlm.report.questions import questions_page
from synthvlm.storage import Store, open_shard, open_store, parse_location

app = typer.Typer(no_args_is_help=True, help="Show and compare evaluations of models.")

StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URI", help="Object store.", show_default="the home's"),
]

_NAME = "The model's name, or digits of a digest."


@app.command("list")
def list_evaluations(
    context: typer.Context,
    store: StoreOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List evaluations.

    [dim]Example:[/] synthvlm evaluations list
    """
    with _store(context, home, store) as place:
        found = list(evaluations(place))
    if json:
        print_json([_summary(one) for one in found])
        return
    table = Table("model", "evaluation", "results", box=None)
    for one in found:
        results = ", ".join(
            f"{result.benchmark} {_value(result.estimate.value, result.unit)}"
            for result in one.record.results
            if result.condition == "image"
        )
        table.add_row(one.record.model.name, one.ref.digest[7:19], results)
    if found:
        stdout_console().print(table)
    else:
        stdout_console().say("no evaluations yet")


@app.command("show")
def show(
    context: typer.Context,
    evaluation: Annotated[str, typer.Argument(metavar="EVALUATION", help=_NAME)],
    store: StoreOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show an evaluation with its baselines; with --json its whole record.

    [dim]Example:[/] synthvlm evaluations show demo
    """
    with _store(context, home, store) as place:
        found = find_evaluation(place, evaluation)
    record = found.record
    if json:
        print_json({**_summary(found), "record": record.model_dump(mode="json")}, indent=2)
        return
    console = stdout_console()
    console.say(styled(record.model.name, "bold"), f" {record.model.digest}")
    console.say(f"evaluation {found.ref.digest}")
    console.say(
        f"intervals: {record.confidence:.0%}, bootstrap over images; "
        + ", ".join(f"{name} {version}" for name, version in sorted(record.harnesses.items()))
    )
    table = Table("benchmark", "condition", box=None)
    for heading in ("value", "interval", "questions"):
        table.add_column(heading, justify="right")
    for result in record.results:
        table.add_row(result.benchmark, result.condition, *_cells(result.estimate, result.unit))
        for group in result.groups if result.condition == "image" else ():
            cells = _cells(group.estimate, result.unit)
            table.add_row("", f"  {group.by}: {group.name}", *cells, style="dim")
    console.print(table)
    for margin in record.margins:
        console.say(
            f"{margin.benchmark}: {100 * margin.difference:+.1f} points over {margin.over}, "
            f"{100 * margin.low:+.1f} to {100 * margin.high:+.1f}"
        )


@app.command("questions")
def questions(
    context: typer.Context,
    evaluation: Annotated[str, typer.Argument(metavar="EVALUATION", help=_NAME)],
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="The page.", dir_okay=False)
    ] = Path("questions.html"),
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Write a page of questions with picture, answer and truth, the wrong answers first.

    [dim]Example:[/] synthvlm evaluations questions demo --to questions.html
    """
    with _store(context, home, store) as place:
        found = find_evaluation(place, evaluation)
        page = questions_page(open_shard(place, found.ref))
    if page is None:
        raise CommandError(
            f"{found.record.model.name} was asked no questions whose pictures are in the store"
        )
    stdout_console().say(f"questions  {write_atomically(to, page)}")


@app.command("compare")
def compare_evaluations(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="FIRST", help=_NAME)],
    second: Annotated[str, typer.Argument(metavar="SECOND", help=_NAME)],
    store: StoreOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Compare two models question by question, with intervals, and keep the comparison.

    A positive difference is in favour of SECOND, except for perplexities, of which less is better.

    [dim]Example:[/] synthvlm evaluations compare random-200 best-200
    """
    with _store(context, home, store) as place:
        old, new = (find_evaluation(place, text) for text in (first, second))
        ref, comparison = compare(place, old.ref, new.ref)
    if json:
        content: dict[str, Any] = comparison.model_dump(mode="json")
        print_json({"path": ref.path, "digest": ref.digest, **content}, indent=2)
        return
    _show_comparison(comparison)


def _show_comparison(comparison: Comparison) -> None:
    console = stdout_console()
    console.say(f"{comparison.second.name} less {comparison.first.name}")
    table = Table("benchmark", "condition", box=None)
    for heading in ("first", "second", "difference", "interval", "only first", "only second"):
        table.add_column(heading, justify="right")
    for one in comparison.differences:
        whole = not one.by
        table.add_row(
            one.benchmark if whole else "",
            one.condition if whole else f"  {one.by}: {one.name}",
            _value(one.first, one.unit),
            _value(one.second, one.unit),
            *_apart(one),
            f"{one.only_first:,}",
            f"{one.only_second:,}",
            style="" if whole else "dim",
        )
    console.print(table)


def _apart(one: Difference) -> tuple[str, str]:
    scale = 100 if one.unit == "share" else 1
    low, high = one.low * scale, one.high * scale
    return f"{one.difference * scale:+.2f}", f"{low:+.2f} to {high:+.2f}"


def _cells(estimate: Estimate, unit: Unit) -> tuple[str, str, str]:
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f"{_value(estimate.low, unit)} to {_value(estimate.high, unit)}"
    return _value(estimate.value, unit), interval, f"{estimate.questions:,}"


def _value(value: float, unit: Unit) -> str:
    return f"{value:.1%}" if unit == "share" else f"{value:,.2f}"


def _summary(one: Found) -> dict[str, Any]:
    results: list[Result] = one.record.results
    return {
        "model": one.record.model.model_dump(),
        "path": one.ref.path,
        "digest": one.ref.digest,
        "results": {
            f"{result.benchmark}/{result.condition}": result.estimate.value for result in results
        },
    }


@contextmanager
def _store(context: typer.Context, home: Path | None, uri: str | None) -> Iterator[Store]:
    """The store of ``--store``, else that of the home."""
    if uri is not None:
        yield open_store(parse_location(uri))
        return
    with chosen_home(context, home).for_reading() as place:
        yield open_store(place.store_location)
