"""``synthvlm capacity``: GPU hours and cost of a number of images, or of a training."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from synthvlm.cli.commands.capacity.comparison import (
    Compared,
    compared_images,
    compared_training,
)
from synthvlm.cli.commands.capacity.estimates import USUAL, Estimate, Plan, estimates
from synthvlm.cli.commands.capacity.records import record_in_home, record_in_store
from synthvlm.cli.commands.capacity.training import (
    PUBLISHED_GPU,
    StageEstimate,
    TrainingPlan,
    training_estimates,
)
from synthvlm.cli.options import HomeOption, JsonOption, readable_home
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.errors import InvalidInput
from synthvlm.report.bill import RunCost
from synthvlm.report.cost import run_cost
from synthvlm.report.record import RunRecord
from synthvlm.storage import Store, open_store, parse_location


def capacity(
    context: typer.Context,
    images: Annotated[
        int, typer.Option("--images", metavar="N", help="Images in all, repeats included.")
    ] = 1_000_000,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", help="Denoising steps per image.")
    ] = 60,
    gpus: Annotated[
        int, typer.Option("--gpus", metavar="N", help="GPUs that work at the same time.")
    ] = 8,
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu", metavar="NAME", help="A GPU product.", show_default="H100, A100, L40S"
        ),
    ] = None,
    efficiency: Annotated[
        float,
        typer.Option(
            "--efficiency",
            metavar="F",
            help="Fraction of the rate, above 0 and at most 1.",
        ),
    ] = 1.0,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="NAME=DOLLARS", help="Price of one GPU hour."),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            "--train", metavar="SIZE", help="Estimate a training instead of images: 7b or 13b."
        ),
    ] = None,
    pretrain_samples: Annotated[
        int, typer.Option("--pretrain-samples", metavar="N", help="Pairs that stage 1 learns from.")
    ] = 100_000,
    finetune_samples: Annotated[
        int, typer.Option("--finetune-samples", metavar="N", help="Conversations of stage 2.")
    ] = 665_298,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            "--rate",
            metavar="STAGE=N",
            help="Measured samples a second of one GPU in pretrain or finetune.",
            show_default="LLaVA-1.5's published ones, of an A100",
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="RUN",
            help="Compare with what a run took: a folder of the home's runs, a dataset's name, or "
            "with --store the name of a run on a cluster.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URI",
            help="Object store of the run to compare with.",
            show_default="the home's",
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Estimate GPU hours and cost of SDXL images or of a training, from known throughput.

    docs/capacity.md explains the arithmetic and names the sources. Give your own
    prices: the defaults are round placeholders.

    [dim]Examples:[/] synthvlm capacity --images 5000000 --steps 30 --gpus 64
    synthvlm capacity --gpu L4 --price L4=0.35 --efficiency 0.8
    synthvlm capacity --train 7b --pretrain-samples 100000
    synthvlm capacity --compare first --gpu H100
    """
    if compare is not None:
        plan = Plan(gpus=gpus, efficiency=efficiency, prices=dict(_price(p) for p in price or ()))
        with _record_of(context, home, store, compare) as (place, record):
            cost = run_cost(place, record)
        if train is None:
            compared = compared_images(record, cost, gpu or USUAL, plan)
        else:
            compared = compared_training(cost, train, plan)
        if json:
            print_json([asdict(one) for one in compared], indent=2)
        else:
            _show_compared(record, cost, compared)
        return
    if train is not None:
        if gpu is not None and len(gpu) > 1:
            raise InvalidInput("--gpu: a training is estimated for one product at a time")
        # The checks of GPUs, efficiency and prices are those of a plan for images.
        checked = Plan(images, steps, gpus, efficiency, dict(_price(text) for text in price or ()))
        training = TrainingPlan(
            train,
            {"pretrain": pretrain_samples, "finetune": finetune_samples},
            checked.gpus,
            gpu[0] if gpu else PUBLISHED_GPU,
            dict(_rate(text) for text in rate or ()),
            checked.efficiency,
            checked.prices,
        )
        stages = training_estimates(training)
        if json:
            print_json([asdict(one) for one in stages], indent=2)
        else:
            _show_training(training, stages)
        return
    plan = Plan(images, steps, gpus, efficiency, dict(_price(text) for text in price or ()))
    found = estimates(plan, gpu or USUAL)
    if json:
        print_json([asdict(one) for one in found], indent=2)
    else:
        _show(plan, found)


@contextmanager
def _record_of(
    context: typer.Context, home: Path | None, uri: str | None, run: str
) -> Iterator[tuple[Store, RunRecord]]:
    """A run's record, and the store that has its shards."""
    if uri is not None:
        store = open_store(parse_location(uri))
        yield store, record_in_store(store, run)
        return
    with readable_home(context, home) as place:
        yield open_store(place.store_location), record_in_home(place, run)


def _price(text: str) -> tuple[str, float]:
    name, _, dollars = text.partition("=")
    try:
        return name, float(dollars)
    except ValueError as error:
        raise InvalidInput(f"--price: {text!r} is not of the form NAME=DOLLARS") from error


def _rate(text: str) -> tuple[str, float]:
    stage, _, samples = text.partition("=")
    try:
        return stage, float(samples)
    except ValueError as error:
        raise InvalidInput(f"--rate: {text!r} is not of the form STAGE=SAMPLES") from error


def _show_training(plan: TrainingPlan, stages: Sequence[StageEstimate]) -> None:
    table = Table("stage", box=None)
    right = (
        "samples",
        "samples/s a GPU",
        "GPU hours",
        f"hours on {plan.gpus:,} GPUs",
        "US dollars",
    )
    for heading in right:
        table.add_column(heading, justify="right")
    table.add_column("rate")
    for one in stages:
        table.add_row(
            one.stage,
            f"{one.samples:,}",
            f"{one.rate:,.2f}",
            f"{one.gpu_hours:,.1f}",
            f"{one.hours:,.1f}",
            f"{one.cost:,.0f}",
            one.source,
        )
    console = stdout_console()
    console.say(f"training of {plan.model} on {plan.gpu}")
    console.print(table)


def _show_compared(record: RunRecord, cost: RunCost, found: Sequence[Compared]) -> None:
    table = Table("planned for", box=None)
    right = ("planned GPU hours", "taken", "efficiency", "planned US dollars", "taken")
    for heading in (*right[:4], f"{right[4]} {cost.currency}"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            one.gpu,
            f"{one.planned_hours:,.3g}",
            f"{one.taken_hours:,.3g}",
            f"{one.efficiency:.3g}",
            f"{one.planned_cost:,.2f}",
            "-" if one.taken_cost is None else f"{one.taken_cost:,.2f}",
        )
    console = stdout_console()
    first = found[0]
    console.say(
        f"{record.version.name}@{record.version.version}: {first.made:,} {first.noun} made, "
        f"{first.an_hour:,.0f} in a GPU hour"
    )
    console.print(table)


def _show(plan: Plan, found: Sequence[Estimate]) -> None:
    right = ("images/h a GPU", "GPU hours", f"days on {plan.gpus:,} GPUs", "nodes", "US dollars")
    table = Table("GPU", box=None)
    for heading in right:
        table.add_column(heading, justify="right")
    table.add_column("rate")
    for one in found:
        table.add_row(
            one.gpu,
            f"{one.images_an_hour:,.0f}",
            f"{one.gpu_hours:,.0f}",
            f"{one.days:,.1f}",
            f"{one.nodes:,}",
            f"{one.cost:,.0f}",
            one.rate,
        )
    console = stdout_console()
    console.say(f"{plan.images:,} images of {plan.steps} steps")
    console.print(table)
