"""The command tree."""

from pathlib import Path
from typing import Annotated

import typer

from synthvlm import __version__
from synthvlm.cli.commands import (
    capacity,
    captions,
    datasets,
    doctor,
    engines,
    generate,
    images,
    run,
    scenes,
    tune,
    up,
)
from synthvlm.cli.options import HomeOption

app = typer.Typer(
    name="synthvlm",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"synthvlm {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    home: HomeOption = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Synthetic image-caption datasets for vision-language models.

    [dim]Example:[/] synthvlm run --captions captions.jsonl --name demo --top-k 200
    """
    del version
    context.obj = Path(home) if home is not None else None


app.command("generate")(generate.generate)
app.command("up")(up.up)
app.command("run")(run.run)
app.add_typer(datasets.app, name="datasets")
app.add_typer(images.app, name="images")
app.command("regenerate")(images.regenerate)
app.add_typer(captions.app, name="captions")
app.add_typer(scenes.app, name="scenes")
app.command("tune")(tune.tune)
app.add_typer(engines.app, name="engines")
app.command("doctor")(doctor.doctor)
app.command("capacity")(capacity.capacity)
