"""``synthvlm tune``: generation parameters by grid search."""

import signal
import time
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthvlm.atomic_files import write_atomically
from synthvlm.cli.options import (
    ColumnOption,
    HomeOption,
    JsonOption,
    ProfileOption,
    RecipeOption,
    chosen_home,
)
from synthvlm.local.home import Home, home_at

if TYPE_CHECKING:
    from synthvlm.tuning.result import Result
    from synthvlm.tuning.run import TuneRequest

DEFAULT_SAMPLE = 1000
"""Captions, as the paper has it."""


class Metric(StrEnum):
    """Scores that can decide."""

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
            help="steps, guidance_scale, high_noise_fraction, each with values after commas.",
        ),
    ],
    captions: Annotated[
        list[str] | None,
        typer.Option("--captions", metavar="FILE", help="Caption files, as of `synthvlm run`."),
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
    recipe: RecipeOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Search a grid of generation parameters for the best mean score.

    Every combination synthesises the same captions from the same seeds. Chosen is the best one, or
    the cheapest of those that are as good within the confidence interval. The result is a page with
    the plot, and the profile with the chosen parameters. The same command again goes on where the
    last one stopped.

    [dim]Example:[/] synthvlm tune --captions captions.jsonl --grid steps=8,10,20 guidance_scale=2,4
    """
    from synthvlm.cli import inputs
    from synthvlm.local.services import check_profile, profile_recipe
    from synthvlm.profiles import load_profile
    from synthvlm.tuning import grid as grids
    from synthvlm.tuning.run import TuneRequest, require_refiner

    reference = check_profile(profile)
    cells = grids.cells([*grid, *(more_grid or [])])
    loaded = load_profile(reference)
    require_refiner(cells, loaded.section("generation"))
    request = TuneRequest(
        captions=inputs.caption_files(captions or []),
        column=column,
        recipe=inputs.recipe_text(recipe or profile_recipe(reference)),
        cells=cells,
        sample=inputs.in_range("--sample", sample, 2, 1_000_000),
        seed=inputs.in_range("--seed", seed, 0),
        metric=metric.value,
    )
    place = home_at(chosen_home(context, home))
    place.prepare()
    signal.signal(signal.SIGTERM, _interrupt)
    _execute(request, place, reference, loaded.sections, json=json)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _execute(
    request: "TuneRequest",
    home: Home,
    profile: str,
    sections: dict[str, dict[str, Any]],
    *,
    json: bool,
) -> None:
    from synthvlm.cli.run.display import display_on
    from synthvlm.cli.terminal import stderr_console
    from synthvlm.local.services import run_services
    from synthvlm.tuning.result import Result
    from synthvlm.tuning.run import search, tune_folder

    clock = time.monotonic()
    console = stderr_console()
    display = display_on(console)
    folder = tune_folder(home, request, Path(profile).stem)
    try:
        with run_services(home, profile, display.services) as services:
            display.close()  # before the search shows itself
            found = search(request, services, home, folder, console)
    finally:
        display.close()
    result = Result(
        profile=Path(profile).stem,
        sections=sections,
        metric=request.metric,
        seed=request.seed,
        digests=found.digests,
        comparison=found.comparison,
        seconds=time.monotonic() - clock,
    )
    _finish(result, folder, json=json)


def _finish(result: "Result", folder: Path, *, json: bool) -> None:
    """Writes the result's files, and says what was chosen."""
    import json as json_module

    from synthvlm.cli.terminal import print_json, stdout_console
    from synthvlm.tuning.page import render_page
    from synthvlm.tuning.result import NUMBERS_FILE, PAGE_FILE, PROFILE_FILE

    content = result.to_json()
    chosen = write_atomically(folder / PROFILE_FILE, result.chosen_profile())
    page = write_atomically(folder / PAGE_FILE, render_page(result))
    write_atomically(folder / NUMBERS_FILE, json_module.dumps(content, indent=2))
    if json:
        files = {"profile": str(chosen), "report": str(page)}
        print_json({**content, **files, "seconds": round(result.seconds, 3)})
        return
    console = stdout_console()
    console.print(_table(result))
    console.print(f"[bold]chosen[/]   {result.comparison.chosen.measured.cell}", highlight=False)
    console.print(f"profile  {chosen}", highlight=False, soft_wrap=True)
    console.print(f"report   {page}", highlight=False, soft_wrap=True)


def _table(result: "Result") -> Any:
    from rich.table import Table

    names = list(result.comparison.chosen.measured.cell.given)
    table = Table(box=None)
    for heading in (*names, "mean", "±", "behind", "±", "s an image", ""):
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
