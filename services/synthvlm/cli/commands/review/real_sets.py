"""``synthvlm review import-set``: real images with which a campaign compares."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from synthvlm.cli import inputs
from synthvlm.cli.caption_files import file_layout
from synthvlm.cli.options import (
    ColumnsOption,
    DelimiterOption,
    FormatOption,
    HomeOption,
    IdColumnOption,
    JsonOption,
    prepared_home,
)
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console
from synthvlm.storage import open_store


class _Counter:
    """Shows how many records have been read."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Shows the records read so far."""
        del total, resumed, reused
        self._progress.update(self._task, completed=done)

    def check(self) -> None:
        """Never raises: Ctrl-C ends the command."""


def import_set(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Captions with the paths of their images: LLaVA's .json, .jsonl, .csv, .parquet.",
        ),
    ],
    images: Annotated[
        Path,
        typer.Option(
            "--images",
            metavar="FOLDER",
            help="What paths are relative to; no image is read outside of it.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the set.")],
    image_column: Annotated[
        str, typer.Option("--image-column", metavar="NAME", help="Column with the path.")
    ] = "image",
    column: Annotated[
        str,
        typer.Option(
            "--column",
            metavar="NAME",
            help="Text column.",
            show_default="caption, text, captions or comment, or LLaVA's conversations",
        ),
    ] = "",
    id_column: IdColumnOption = None,
    form: FormatOption = None,
    delimiter: DelimiterOption = None,
    columns: ColumnsOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Bring real images in, for people to compare generated ones with.

    Images are JPEG, PNG or WebP. What cannot be used is put in quarantine and counted. A campaign
    shows a generated image beside the real one of the same caption: the same text and, where the
    file has identifiers, the same identifier. So import the file that the captions of the run came
    from, with the same columns. The same command again finds the same set.

    [dim]Examples:[/] synthvlm review import-set llava.json --images photos/ --name photos
    synthvlm review create demo@1 --compare real-set/photos
    """
    # Decoding takes a second to load, which the other commands need not wait for.
    from synthvlm.caption.locations import Locations
    from synthvlm.caption.readers import Format, Layout, find_caption_file
    from synthvlm.real_set.importing import RealSetRequest, import_real_set

    path = inputs.readable_file(inputs.unicode_text("FILE", file), "FILE")
    told = file_layout(form, id_column, delimiter, columns)
    layout = Layout(
        column=inputs.unicode_text("--column", column),
        id_column=told.id_column if told.HasField("id_column") else None,
        delimiter=told.delimiter,
        columns=tuple(told.columns),
    )
    request = RealSetRequest(
        name=inputs.dataset_name(name),
        file=find_caption_file(
            str(path),
            Locations([str(path.parent)]),
            form=Format(told.format) if told.format else None,
        ),
        images=images.expanduser(),
        layout=layout,
        image_column=inputs.unicode_text("--image-column", image_column),
    )
    store = open_store(prepared_home(context, home).store_location)
    console = stderr_console()
    columns_shown = (SpinnerColumn(), TextColumn("{task.completed:,} records read"))
    with Progress(*columns_shown, console=console, transient=True) as progress:
        done = import_real_set(store, request, _Counter(progress))
    if json:
        print_json({"name": name, **asdict(done)})
        return
    for notice in done.notices:
        sys.stderr.write(f"warning: {notice.file}: {notice.message}\n")
    out = stdout_console()
    quarantined = sum(done.quarantined.values())
    out.say(
        f"{done.ref.path}: {done.ref.records:,} pairs{'' if done.is_new else ', as before'}; "
        f"{quarantined:,} of {done.read:,} records are in quarantine"
    )
    for reason, count in sorted(done.quarantined.items(), key=lambda one: (-one[1], one[0])):
        out.say(f"{count:>8,}  {reason}")
    if done.example:
        out.say(f"the first is {done.example}")
    out.say(f"compare with it: synthvlm review create SOURCE --compare real-set/{name}")
