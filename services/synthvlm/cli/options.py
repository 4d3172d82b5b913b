"""Options that several commands have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from synthvlm.local.home import Home, home_at

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Folder for all state.",
        show_default="$SYNTHVLM_HOME, else ./.synthvlm",
    ),
]
"""``--home``."""

ProfileOption = Annotated[
    str,
    typer.Option("--profile", metavar="NAME|FILE", help="A shipped profile, or a YAML file."),
]
"""``--profile``."""

EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="What synthesises the images: diffusers, or triton (its server is started too).",
        show_default="as the profile says",
    ),
]
"""``--engine``."""

ColumnOption = Annotated[
    str,
    typer.Option(
        "--column",
        metavar="NAME",
        help="Text column.",
        show_default="the recipe's text_keys, else caption, text, captions or comment",
    ),
]
"""``--column``."""

IdColumnOption = Annotated[
    str | None,
    typer.Option(
        "--id-column",
        metavar="NAME",
        help="Column with the identifier; none: no identifiers.",
        show_default="id, else sample_id or image_id",
    ),
]
"""``--id-column``."""

FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Format of the caption files: json, jsonl, csv, tsv, parquet or txt.",
        show_default="by their extensions",
    ),
]
"""``--format``."""

DelimiterOption = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHARACTER",
        help="What separates the columns of CSV and TSV, or the word tab.",
        show_default="what makes sense of the header",
    ),
]
"""``--delimiter``."""

ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAME,...",
        help="Names of the columns of CSV and TSV without a header line.",
    ),
]
"""``--columns``."""

MaxSetAsideOption = Annotated[
    float | None,
    typer.Option(
        "--max-set-aside",
        metavar="F",
        help="Largest share of the records that may be set aside as unusable, 0 to 1.",
        show_default="0.1",
    ),
]
"""``--max-set-aside``."""

RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="Data-Juicer recipe of the curation.",
        show_default="as the profile says: paper-rules",
    ),
]
"""``--recipe``."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
"""``--json``."""


def chosen_home(context: typer.Context, option: Path | None) -> Home:
    """The home of ``--home`` after the command, else before it, else the default."""
    before = context.obj
    return home_at(option or (before if isinstance(before, Path) else None))


@contextmanager
def readable_home(context: typer.Context, option: Path | None) -> Iterator[Home]:
    """The chosen home for commands that only read, so that it need not be writable.

    Raises:
        InvalidInput: It cannot be read.
    """
    with chosen_home(context, option).for_reading() as home:
        yield home


def prepared_home(context: typer.Context, option: Path | None) -> Home:
    """The chosen home, with its folders.

    Raises:
        InvalidInput: The home cannot be written to.
    """
    home = chosen_home(context, option)
    home.prepare()
    return home
