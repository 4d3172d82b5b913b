"""``synthvlm scenes``: the visual world of the bundled models, drawn, described and asked about."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from synthvlm.cli import inputs
from synthvlm.cli.terminal.output import print_json, stdout_console, styled
from synthvlm.scenes.files import write_captions, write_sheet
from synthvlm.scenes.questions import Question, sample_questions

MOST_SCENES = 400
"""Scenes on one contact sheet."""

MOST_CAPTIONS = 100_000_000

SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Which scenes.")]

app = typer.Typer(
    no_args_is_help=True,
    help="Scenes of coloured shapes: the world that the bundled models know. "
    "[dim]Example:[/] synthvlm scenes show",
)


@app.command("show")
def show(
    seed: SeedOption = 0,
    count: Annotated[int, typer.Option("--count", metavar="N", help="How many.")] = 12,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="A .png, .jpg or .webp file.")
    ] = Path("scenes.png"),
) -> None:
    """Draw scenes on a contact sheet, each with a true caption.

    [dim]Example:[/] synthvlm scenes show --seed 7 --count 24 --out scenes.png
    """
    inputs.in_range("--seed", seed, 0)
    inputs.in_range("--count", count, 1, MOST_SCENES)
    inputs.picture_file("--out", out)
    write_sheet(seed, count, out)
    text = f"{count} scenes of seed {seed}, with captions: {out}"
    stdout_console().say(text)


@app.command("captions")
def captions(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The JSON Lines file.")],
    seed: SeedOption = 0,
    count: Annotated[int, typer.Option("--count", metavar="N", help="How many.")] = 1000,
    flawed: Annotated[
        float,
        typer.Option("--flawed", metavar="F", help="Fraction that is bad on purpose, 0 to 1."),
    ] = 0.15,
) -> None:
    """Write captions of scenes, as a caption pool for `run`.

    Some are bad on purpose (vague, contradictory, repetitive, advertising, personal data, no
    words), so that curation and scoring have something to find.

    [dim]Example:[/] synthvlm scenes captions --count 500 --out captions.jsonl
    """
    inputs.in_range("--seed", seed, 0)
    inputs.in_range("--count", count, 1, MOST_CAPTIONS)
    inputs.part("--flawed", flawed)
    inputs.output_file("--out", out)
    write_captions(seed, count, flawed, out)
    text = f"{count:,} captions: {out}"
    stdout_console().say(text)


@app.command("questions")
def questions(
    seed: SeedOption = 0,
    count: Annotated[
        int, typer.Option("--count", metavar="N", help="How many scenes to ask about.")
    ] = 4,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON line per question, for programs.")
    ] = False,
) -> None:
    """Ask about scenes, with answers. The scenes are those of `show` with the same seed.

    [dim]Example:[/] synthvlm scenes questions --seed 7 --count 100 --json
    """
    inputs.in_range("--seed", seed, 0)
    inputs.in_range("--count", count, 1, MOST_CAPTIONS)
    for number, (_, asked) in enumerate(sample_questions(seed, count), start=1):
        if json:
            for question in asked:
                print_json(
                    {
                        "scene": number,
                        "kind": question.kind,
                        "question": question.question,
                        "answer": question.answer,
                    }
                )
        else:
            _table(number, asked)


def _table(number: int, asked: list[Question]) -> None:
    table = Table("kind", "question", "answer", box=None, title_justify="left", title_style="bold")
    table.title = f"scene {number}"
    table.columns[0].min_width = len("background")
    for question in asked:
        table.add_row(
            styled(question.kind, "dim"), question.question, styled(question.answer, "bold")
        )
    stdout_console().print(table, "")
