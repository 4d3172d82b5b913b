"""The command tree: a table of commands, whose modules are imported when they are invoked."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from synthvlm import __version__
from synthvlm.cli.failures import CommandError
from synthvlm.cli.options import HomeOption


@dataclass(frozen=True)
class Entry:
    """A command, or a group of commands.

    Attributes:
        target: Module below ``synthvlm.cli.commands``, and in it the command's function or the
            group's ``typer.Typer``.
        help: Its line in ``synthvlm --help``: the first line of its own help.
    """

    name: str
    target: str
    help: str

    def load(self) -> Any:
        """Imports the command, in the form that typer runs.

        Raises:
            CommandError: A package of an extra is not installed.
        """
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(import_module(f"synthvlm.cli.commands.{module}"), attribute)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("synthvlm"):
                raise
            raise CommandError(
                f"`synthvlm {self.name}` needs the package {error.name}, which is not installed; "
                f"`synthvlm doctor` says which extra has it"
            ) from error
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(found)
        return typer.main.get_command(alone)


COMMANDS = (
    Entry(
        "generate",
        "generate.command:generate",
        "Make images of a prompt and check whether they are true to it.",
    ),
    Entry("up", "up:up", "Start all services and keep them running until Ctrl-C or SIGTERM."),
    Entry("run", "run:run", "Make a dataset version from caption files."),
    Entry(
        "submit",
        "submit.command:submit",
        "Send a run to a Kubeflow Pipelines server, and follow it to its end.",
    ),
    Entry(
        "regenerate",
        "images.command:regenerate",
        "Make an image again from its id alone, and say whether it is the same.",
    ),
    Entry("tune", "tune:tune", "Search a grid of generation parameters for the best mean score."),
    Entry(
        "doctor",
        "doctor.command:doctor",
        "Check this machine: what is missing and how to fix it.",
    ),
    Entry(
        "capacity",
        "capacity.command:capacity",
        "Estimate GPU hours and cost of SDXL images or of a training, from known throughput.",
    ),
    Entry(
        "datasets",
        "datasets.command:app",
        "List, show, compare and export dataset versions.",
    ),
    Entry("evaluations", "evaluations:app", "Show and compare evaluations of models."),
    Entry(
        "review",
        "review.command:app",
        "Let people verify pairs: campaigns and verdicts.",
    ),
    Entry("images", "images.command:app", "Look at single images."),
    Entry("ask", "ask:ask", "Ask a trained model a question about a picture."),
    Entry("captions", "captions:app", "Try recipes on captions."),
    Entry(
        "scenes",
        "scenes:app",
        "Scenes of coloured shapes: the world that the bundled models know. "
        "[dim]Example:[/] synthvlm scenes show",
    ),
    Entry(
        "weights",
        "weights:app",
        "Weights of models, pinned and checked. Example: "
        "synthvlm weights fetch s3://bucket/clip --digest sha256:… --to /models/clip",
    ),
    Entry(
        "engines",
        "engines.command:app",
        "Export components to ONNX; build and inspect TensorRT engines. Example: "
        "synthvlm engines export --to onnx",
    ),
)
"""All commands, in the order of ``synthvlm --help``."""


class CommandTable(TyperGroup):
    """Lists the commands from the table, and imports the one that is invoked."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._entries = {entry.name: entry for entry in COMMANDS}
        self.commands = {
            entry.name: TyperCommand(entry.name, help=entry.help) for entry in COMMANDS
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the arguments name; typer rejects unknown names."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self._entries[name].load(), rest


app = typer.Typer(
    name="synthvlm",
    cls=CommandTable,
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
