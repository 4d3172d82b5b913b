"""``synthvlm tune``: generation parameters by grid search."""

import signal
import time
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.table import Table

from synthvlm.cli import inputs
from synthvlm.cli.failures import blaming
from synthvlm.cli.options import (
    ColumnOption,
    ColumnsOption,
    DelimiterOption,
    FormatOption,
    HomeOption,
    IdColumnOption,
    JsonOption,
    MaxSetAsideOption,
    ProfileOption,
    RecipeOption,
    prepared_home,
)
from synthvlm.cli.run.display import display_on
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console, styled
from synthvlm.local.home import Home
from synthvlm.local.services import run_services
from synthvlm.profiles import Profile, load_profile
from synthvlm.storage import open_store
from synthvlm.tuning import grid as grids
from synthvlm.tuning.captions import MOST_CAPTIONS
from synthvlm.tuning.result import Result
from synthvlm.tuning.run import TuneRequest, require_refiner, search, tune_folder
from synthvlm.tuning.write import write_result

DEFAULT_SAMPLE = 1000
"""Captions, as in the paper."""


class Metric(StrEnum):
    """Scores to choose by."""

    CLIP = "clip_score"
    SSIM = "ssim_score"
    WEIGHTED = "weighted_score"


def tune(
    context: typer.Context,
    grid: Annotated[
        list[str],
        typer.Option(
            "--grid",
            metavar="NAME=VALUES...",
            help="steps, guidance_scale, high_noise_fraction, each with comma-separated values.",
        ),
    ],
    captions: Annotated[
        list[str] | None,
        typer.Option("--captions", metavar="FILE", help="Caption files, as for `synthvlm run`."),
    ] = None,
    more_grid: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    profile: ProfileOption = "mini",
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", help="Captions to draw from those curated.")
    ] = DEFAULT_SAMPLE,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Seed of the sample and of the images.")
    ] = 0,
    metric: Annotated[
        Metric, typer.Option("--metric", help="The score that decides.")
    ] = Metric.CLIP,
    column: ColumnOption = "",
    id_column: IdColumnOption = None,
    form: FormatOption = None,
    delimiter: DelimiterOption = None,
    columns: ColumnsOption = None,
    max_set_aside: MaxSetAsideOption = None,
    recipe: RecipeOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Search a grid of generation parameters for the best mean score.

    Every combination synthesises the same captions from the same seeds. The best one is chosen, or
    the cheapest of those that are as good within the confidence interval. The result is a page with
    a plot, and the profile with the chosen parameters. Run again, the same command resumes where it
    stopped.

    [dim]Example:[/] synthvlm tune --captions captions.jsonl --grid steps=8,10,20 guidance_scale=2,4
    """
    reference = inputs.profile_reference(profile)
    loaded = load_profile(reference)
    with blaming("--grid"):
        cells = grids.cells([*grid, *(more_grid or [])])
        require_refiner(cells, loaded.section("generation"))
    recipe_yaml = inputs.recipe_text(recipe or inputs.profile_recipe(reference))
    request = TuneRequest(
        files=inputs.import_request(
            captions or [],
            recipe=recipe_yaml,
            column=column,
            id_column=id_column,
            form=form,
            delimiter=delimiter,
            columns=columns,
            max_set_aside=max_set_aside,
        ),
        recipe=recipe_yaml,
        cells=cells,
        sample=inputs.in_range("--sample", sample, 2, MOST_CAPTIONS),
        seed=inputs.in_range("--seed", seed, 0),
        metric=metric.value,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    _execute(request, prepared_home(context, home), reference, loaded, json=json)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _execute(
    request: TuneRequest, home: Home, reference: str, profile: Profile, *, json: bool
) -> None:
    clock = time.monotonic()
    console = stderr_console()
    display = display_on(console)
    folder = tune_folder(home.tunes, request, profile.name)
    try:
        with run_services(home, reference, display.services) as services:
            display.close()  # before the search shows itself
            store = open_store(home.store_location)
            found = search(request, services.connect, store, folder, console)
    finally:
        display.close()
    result = Result(
        profile=profile.name,
        sections=profile.sections,
        metric=request.metric,
        seed=request.seed,
        digests=found.digests,
        comparison=found.comparison,
        seconds=time.monotonic() - clock,
    )
    _show(result, folder, json=json)


def _show(result: Result, folder: Path, *, json: bool) -> None:
    """Writes the result's files, and says what was chosen."""
    files = write_result(result, folder)
    if json:
        named = {"profile": str(files.profile), "report": str(files.page)}
        print_json({**result.to_json(), **named, "seconds": round(result.seconds, 3)})
        return
    console = stdout_console()
    console.print(_table(result))
    console.say(styled("chosen", "bold"), f"   {result.comparison.chosen.measured.cell}")
    console.say(f"profile  {files.profile}")
    console.say(f"report   {files.page}")


def _table(result: Result) -> Table:
    names = list(result.comparison.chosen.measured.cell.given)
    table = Table(box=None)
    for heading in (*names, "mean", "±", "behind", "±", "s/image", ""):
        table.add_column(heading, justify="right")
    for one in result.comparison.cells:
        seconds = one.measured.seconds
        is_chosen = one is result.comparison.chosen
        table.add_row(
            *(f"{value:g}" for value in one.measured.cell.given.values()),
            f"{one.mean:.4f}",
            f"{one.margin:.4f}",
            f"{one.behind:.4f}",
            f"{one.behind_margin:.4f}",
            "" if seconds is None else f"{seconds:.3f}",
            "chosen" if is_chosen else "as good" if one.is_as_good else "",
            style="bold" if is_chosen else None,
        )
    return table
