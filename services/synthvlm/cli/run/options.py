"""The options that say what a run makes: those of ``run`` on this machine and ``submit``."""

from enum import StrEnum
from typing import Annotated

import typer

DEFAULT_FRACTION = 0.5
"""Fraction of the captions that is kept when no limit is given."""

DEFAULT_REPEATS = 5
"""Images per caption, as in the reference implementation's run script."""

DEFAULT_SHARD_SIZE = 1000


class LastStage(StrEnum):
    """Where a run ends."""

    SELECT = "select"
    ASSEMBLE = "assemble"
    TRAIN = "train"
    EVALUATE = "evaluate"


NameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Dataset name: a-z, 0-9 and -.")
]
"""``--name``."""

CaptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--captions",
        metavar="FILE...",
        help="Caption files: JSON, JSONL, CSV, TSV, Parquet or text; .gz and .zst too; folders and "
        "quoted globs of them; - for standard input.",
    ),
]
"""``--captions``."""

MoreCaptions = Annotated[list[str] | None, typer.Argument(hidden=True)]
"""What a shell makes of an unquoted glob after ``--captions``."""

RepeatOption = Annotated[
    int, typer.Option("--repeat", metavar="N", help="Images per caption; the best is kept.")
]
"""``--repeat``."""

TopKOption = Annotated[
    int | None, typer.Option("--top-k", metavar="N", help="Keep the best N captions.")
]
"""``--top-k``."""

TopFractionOption = Annotated[
    float | None,
    typer.Option(
        "--top-fraction",
        metavar="F",
        help="Keep the best fraction, above 0 and at most 1.",
        show_default=str(DEFAULT_FRACTION),
    ),
]
"""``--top-fraction``."""

WithinOption = Annotated[
    str | None,
    typer.Option(
        "--within",
        metavar="COLUMN[:N]",
        help="Keep the same share of each group of captions: by words, things or a statistic of "
        "curation; by N quantiles of it, or by each value. Or cluster[:N]: by N clusters of "
        "captions that are alike.",
    ),
]
"""``--within``."""

SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the run.")]
"""``--seed``."""

ShardSizeOption = Annotated[
    int, typer.Option("--shard-size", metavar="N", help="Captions per shard.")
]
"""``--shard-size``."""

UntilOption = Annotated[
    LastStage,
    typer.Option(
        "--until",
        help="Last stage: select ends before people verify the selection, assemble publishes the "
        "dataset version, train trains a model on it, evaluate examines that model.",
    ),
]
"""``--until``."""

ReviewSetOption = Annotated[
    str | None,
    typer.Option(
        "--review-set",
        metavar="reviews/…",
        help="What people said: pairs that they rejected are left out.",
    ),
]
"""``--review-set``."""
