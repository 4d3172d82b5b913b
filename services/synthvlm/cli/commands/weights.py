"""``synthvlm weights``: the files of the models that profiles name."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from synthvlm.cli.options import JsonOption
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console
from synthvlm.weights.fetch import fetch as fetch_weights
from synthvlm.weights.sources import source_of

app = typer.Typer(
    no_args_is_help=True,
    help="Weights of models, pinned and checked. Example: "
    "synthvlm weights fetch s3://bucket/clip --digest sha256:… --to /models/clip",
)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("files", total=None)

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        del resumed, reused
        self._progress.update(self._task, completed=done, total=total)

    def check(self) -> None:
        """Never raises: Ctrl-C ends the command."""


@app.callback()
def _group() -> None:
    """Keeps the command a group of one."""


@app.command("fetch")
def fetch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="hf:OWNER/NAME@COMMIT, or a folder's URL in an object store."
        ),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of these weights alone.")],
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest", metavar="SHA256", help="What their listing must have; stores need it."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="PATTERN", help="Paths that are wanted; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Fetch a model's weights into a folder: safetensors, JSON and vocabularies, never pickles.

    Every file is checked against its digest. Prints the digest of all, by which the folder can be
    fetched again from an object store that it was copied to. The same command goes on where an
    earlier one stopped.

    [dim]Example:[/] synthvlm weights fetch hf:openai/clip-vit-base-patch32@COMMIT --to models/clip
    """
    with Progress(console=stderr_console(), transient=True) as progress:
        fetched = fetch_weights(source_of(source, digest), to, digest, only or (), _Bar(progress))
    if json:
        print_json({**asdict(fetched), "folder": str(to)})
        return
    stdout_console().print(
        f"{to}: {fetched.files} files, {fetched.bytes / 2**20:.1f} MiB, "
        f"{fetched.present} were there\n{fetched.digest}"
    )
