"""``synthvlm generate``: a few images of one prompt, judged at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from synthvlm.cli import inputs
from synthvlm.cli.commands.generate import gallery
from synthvlm.cli.options import HomeOption, JsonOption, ProfileOption, prepared_home
from synthvlm.cli.terminal.output import Terminal, print_json, stderr_console, stdout_console
from synthvlm.cli.terminal.picture import half_blocks
from synthvlm.generation.v1 import generation_pb2
from synthvlm.limits import MAX_SEED
from synthvlm.local.clients import generation_client
from synthvlm.scenes.grammar import foreign_words, parse

MOST_IMAGES = 400
_SHOWN = 8  # images drawn in the terminal
_THUMBNAIL = 19  # characters: four of them and their gaps fit a terminal of 80
_PARENT = Path("generated")
_STYLES = {True: "green", False: "red", None: "dim"}


def generate(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What the images should show.")],
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", help="How many images.")] = 8,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Seed of the first image; the next has N+1.")
    ] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", help="Denoising steps.", show_default="as the profile says"
        ),
    ] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(
            "--guidance-scale",
            metavar="X",
            help="How closely to follow the prompt, above 0 and at most 50.",
            show_default="as the profile says",
        ),
    ] = None,
    profile: ProfileOption = "mini",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for the images.",
            show_default="a new one in ./generated, named after the prompt",
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make images of a prompt and check whether they are true to it.

    The bundled models draw small scenes of coloured shapes, so an oracle can tell whether an image
    shows what the prompt says; the verdicts are printed and on the contact sheet. The same prompt
    and seed give the same image.

    [dim]Examples:[/] synthvlm generate "a small red circle above a blue square"
    synthvlm generate "two green stars on a grey wall" --count 16 --seed 100 --out stars
    """
    inputs.prompt_text(prompt)
    inputs.in_range("--count", count, 1, MOST_IMAGES)
    inputs.in_range("--seed", seed, 0, MAX_SEED - count + 1)
    if steps is not None:
        inputs.in_range("--steps", steps, 1, 500)
    if guidance_scale is not None:
        inputs.guidance_scale(guidance_scale)
    folder = inputs.output_folder("--out", out) if out else inputs.new_folder(_PARENT, prompt)
    reference = inputs.profile_reference(profile)
    place = prepared_home(context, home)
    folder.mkdir(parents=True, exist_ok=True)
    errors = stderr_console()
    _explain(errors, prompt)
    request = generation_pb2.GenerateImageRequest(
        prompt=prompt,
        parameters=generation_pb2.SamplingParameters(
            steps=steps or 0, guidance_scale=guidance_scale or 0
        ),
        format=generation_pb2.IMAGE_FORMAT_PNG,
    )
    starting = errors.status("Starting the model")
    with starting, generation_client(place, reference) as client:
        starting.stop()
        with gallery.bar(errors, count) as advance:
            seeds = range(seed, seed + count)
            pictures = gallery.make_pictures(client, request, seeds, folder, advance)
    sheet = gallery.write_sheet(prompt, pictures, folder)
    if json:
        print_json(_content(prompt, pictures, sheet), indent=2)
    else:
        _show(stdout_console(), pictures, sheet)


def _explain(console: Terminal, prompt: str) -> None:
    """Says beforehand when there will be no verdict, and why."""
    if parse(prompt) is not None:
        return
    foreign = foreign_words(prompt)
    why = f" (it does not know: {', '.join(foreign[:6])})" if foreign else ""
    console.print(
        f"No verdict is possible: the prompt is not in the language of the scene world{why}. "
        f'Try, for example: "a small red circle above a blue square, on a white wall".',
        style="yellow",
    )


def _show(console: Terminal, pictures: Sequence[gallery.Picture], sheet: Path) -> None:
    if console.is_terminal and not console.options.ascii_only:
        shown = pictures[:_SHOWN]
        console.print(Columns([half_blocks(p.data, _THUMBNAIL) for p in shown], padding=(0, 1)))
    table = Table("image", "seed", "verdict", "confidence", "reasons", box=None)
    for picture in pictures:
        verdict = picture.verdict
        judged = verdict.true is not None
        table.add_row(
            picture.file.name,
            str(picture.seed),
            Text(gallery.WORDS[verdict.true], style=_STYLES[verdict.true]),
            f"{verdict.confidence:.2f}" if judged else "",
            Text("; ".join(verdict.reasons) if judged else ""),
        )
    console.print(table, "")
    verdicts = [picture.verdict.true for picture in pictures]
    if None not in verdicts:
        text = f"{sum(map(bool, verdicts))} of {len(pictures)} images are true to the prompt."
        console.say(text)
    console.say(f"All on one sheet: {sheet}")


def _content(prompt: str, pictures: Sequence[gallery.Picture], sheet: Path) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "model_digest": pictures[0].model_digest,
        "sheet": str(sheet),
        "images": [
            {
                "file": str(picture.file),
                "seed": picture.seed,
                "true": picture.verdict.true,
                "confidence": round(picture.verdict.confidence, 4),
                "reasons": list(picture.verdict.reasons),
            }
            for picture in pictures
        ],
    }
