"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Folder of all state.",
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
        help="What synthesises the images: diffusers, or triton (a server that is started too).",
        show_default="as the profile says",
    ),
]
"""``--engine``."""

ColumnOption = Annotated[
    str,
    typer.Option(
        "--column", metavar="NAME", help="Text column.", show_default="caption, else text"
    ),
]
"""``--column``."""

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


def chosen_home(context: typer.Context, option: Path | None) -> Path | None:
    """``--home`` of the command, else that before the command."""
    before = context.obj
    return option or (before if isinstance(before, Path) else None)
