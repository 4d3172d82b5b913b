"""``synthvlm capacity``: GPU hours and cost of a number of images."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from synthvlm.cli.commands.capacity.estimates import USUAL, Estimate, Plan, estimates
from synthvlm.cli.options import JsonOption
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.errors import InvalidInput


def capacity(
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
            help="Fraction of the published rate, above 0 and at most 1.",
        ),
    ] = 1.0,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="NAME=DOLLARS", help="Price of one GPU hour."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Estimate GPU hours and cost of SDXL images from published throughput.

    docs/capacity.md explains the arithmetic and names the sources. Give your own
    prices: the defaults are round placeholders.

    [dim]Examples:[/] synthvlm capacity --images 5000000 --steps 30 --gpus 64
    synthvlm capacity --gpu L4 --price L4=0.35 --efficiency 0.8
    """
    plan = Plan(images, steps, gpus, efficiency, dict(_price(text) for text in price or ()))
    found = estimates(plan, gpu or USUAL)
    if json:
        print_json([asdict(one) for one in found], indent=2)
    else:
        _show(plan, found)


def _price(text: str) -> tuple[str, float]:
    name, _, dollars = text.partition("=")
    try:
        return name, float(dollars)
    except ValueError as error:
        raise InvalidInput(f"--price: {text!r} is not of the form NAME=DOLLARS") from error


def _show(plan: Plan, found: Sequence[Estimate]) -> None:
    right = ("images/h a GPU", "GPU hours", f"days on {plan.gpus:,} GPUs", "nodes", "US dollars")
    table = Table("GPU", box=None)
    for heading in right:
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            one.gpu,
            f"{one.images_an_hour:,.0f}",
            f"{one.gpu_hours:,.0f}",
            f"{one.days:,.1f}",
            f"{one.nodes:,}",
            f"{one.cost:,.0f}",
        )
    console = stdout_console()
    console.say(f"{plan.images:,} images of {plan.steps} steps")
    console.print(table)
