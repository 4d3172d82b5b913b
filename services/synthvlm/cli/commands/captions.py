"""``synthvlm captions``: curation without a run."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from synthvlm.caption.v1 import caption_pb2
from synthvlm.cli import inputs
from synthvlm.cli.caption_files import file_layout
from synthvlm.cli.inputs import PAPER_RULES
from synthvlm.cli.options import (
    ColumnOption,
    ColumnsOption,
    DelimiterOption,
    FormatOption,
    HomeOption,
    IdColumnOption,
    prepared_home,
)
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.local.clients import caption_client

_FIRST = 3
_SHOWN_CHARACTERS = 120

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
    ] = PAPER_RULES,
    column: ColumnOption = "",
    id_column: IdColumnOption = None,
    form: FormatOption = None,
    delimiter: DelimiterOption = None,
    columns: ColumnsOption = None,
    home: HomeOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON line per caption, in the file's order.")
    ] = False,
) -> None:
    """Show what a run would read of a caption file, and a recipe's verdict on each caption.

    Nothing is stored. Unreadable records, and anything that may not be what you meant, are listed
    on standard error.

    [dim]Example:[/] synthvlm captions evaluate captions.jsonl --recipe my-recipe.yaml --json
    """
    files, recipe_yaml = inputs.caption_files([file]), inputs.recipe_text(recipe)
    layout = file_layout(form, id_column, delimiter, columns)
    seen = _Seen()
    with caption_client(prepared_home(context, home)) as client:
        for path in files:
            request = caption_pb2.EvaluateFileRequest(
                file=path, column=column, recipe_yaml=recipe_yaml, layout=layout
            )
            for answer in client.evaluate_file(request):
                seen.add(Path(path).name, answer)
                if json:
                    for verdict in answer.verdicts:
                        print_json(_content(verdict))
    if not json:
        seen.show()


@dataclass
class _Seen:
    """What has been seen of the files so far.

    Attributes:
        kept: Captions that the recipe keeps.
        dropped: Captions that it drops, by the first rule that does.
        unreadable: Records that cannot be read, by the reason.
        first: The first captions.
    """

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    first: list[caption_pb2.CaptionVerdict] = field(default_factory=list)

    def add(self, file: str, answer: caption_pb2.EvaluateFileResponse) -> None:
        """Counts an answer, and says what is wrong with the file on standard error."""
        for record in answer.unreadable:
            sys.stderr.write(f"{file}:{record.line}: {record.reason}\n")
            self.unreadable[record.reason] += 1
        for warning in answer.warnings:
            sys.stderr.write(f"warning: {warning.file}: {warning.message}\n")
        for verdict in answer.verdicts:
            self.kept += verdict.keep
            self.dropped.update(verdict.dropped_by[:1])
        self.first += answer.verdicts[: _FIRST - len(self.first)]

    def show(self) -> None:
        """Prints the counts, and the first captions as they are read."""
        total = self.kept + self.dropped.total() + self.unreadable.total()
        table = Table("captions", "number", "part", box=None)
        for label, number in [
            ("kept", self.kept),
            *((f"dropped by {rule}", n) for rule, n in self.dropped.items()),
            *((f"not readable: {reason}", n) for reason, n in self.unreadable.items()),
        ]:
            table.add_row(label, f"{number:,}", f"{number / total:.1%}" if total else "")
        console = stdout_console()
        console.print(table)
        for verdict in self.first:
            shown = f"{verdict.id}: {verdict.text}" if verdict.id else verdict.text
            console.print(f"  {shown[:_SHOWN_CHARACTERS]!r}", markup=False, highlight=False)


def _content(verdict: caption_pb2.CaptionVerdict) -> dict[str, Any]:
    given: str | int = int(verdict.id) if verdict.integer_id else verdict.id
    return {
        "id": None if given == "" else given,
        "text": verdict.text,
        "stats": dict(sorted(verdict.stats.items())),
        "keep": verdict.keep,
        "dropped_by": list(verdict.dropped_by),
    }
