"""``synthvlm captions``: curation without a run."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from synthvlm.caption.v1 import caption_pb2
from synthvlm.cli import inputs
from synthvlm.cli.options import ColumnOption, HomeOption, prepared_home
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.local.clients import caption_client

app = typer.Typer(no_args_is_help=True, help="Try recipes on captions.")


@app.callback()
def _captions() -> None:
    """Try recipes on captions."""


@app.command("evaluate")
def evaluate(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Caption file, as for `run`.")],
    recipe: Annotated[
        str,
        typer.Option("--recipe", metavar="RECIPE", help="A Data-Juicer recipe, or paper-rules."),
    ] = inputs.PAPER_RULES,
    column: ColumnOption = "",
    home: HomeOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON line per caption, in the file's order.")
    ] = False,
) -> None:
    """Show a recipe's verdict on each caption of a file. Nothing is stored.

    [dim]Example:[/] synthvlm captions evaluate captions.jsonl --recipe my-recipe.yaml --json
    """
    (checked,), recipe_yaml = inputs.caption_files([file]), inputs.recipe_text(recipe)
    request = caption_pb2.EvaluateFileRequest(file=checked, column=column, recipe_yaml=recipe_yaml)
    kept, dropped = 0, Counter[str]()
    with caption_client(prepared_home(context, home)) as client:
        for answer in client.evaluate_file(request):
            for record in answer.unreadable:
                sys.stderr.write(f"{Path(file).name}:{record.line}: {record.reason}\n")
            for verdict in answer.verdicts:
                kept += verdict.keep
                dropped.update(verdict.dropped_by[:1])
                if json:
                    print_json(_content(verdict))
    if not json:
        _table(kept, dropped)


def _content(verdict: caption_pb2.CaptionVerdict) -> dict[str, Any]:
    given: str | int = int(verdict.id) if verdict.integer_id else verdict.id
    return {
        "id": None if given == "" else given,
        "text": verdict.text,
        "stats": dict(sorted(verdict.stats.items())),
        "keep": verdict.keep,
        "dropped_by": list(verdict.dropped_by),
    }


def _table(kept: int, dropped: Counter[str]) -> None:
    total = kept + dropped.total()
    table = Table("captions", "number", "part", box=None)
    for label, number in [("kept", kept), *((f"dropped by {r}", n) for r, n in dropped.items())]:
        table.add_row(label, f"{number:,}", f"{number / total:.1%}" if total else "")
    stdout_console().print(table)
