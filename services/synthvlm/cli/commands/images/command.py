"""``synthvlm images`` and ``synthvlm regenerate``: single images."""

from json import loads
from pathlib import Path
from typing import Annotated, Any

import typer

from synthvlm.cli import inputs
from synthvlm.cli.commands.images.regeneration import generation_request, profile_of
from synthvlm.cli.failures import CommandError
from synthvlm.cli.options import HomeOption, JsonOption, prepared_home, readable_home
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console
from synthvlm.cli.terminal.picture import half_blocks
from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.local.clients import dataset_client, generation_client

app = typer.Typer(no_args_is_help=True, help="Look at single images.")

ImageArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The image's id, or its first eight characters.")
]


@app.command("show")
def show(
    context: typer.Context,
    image_id: ImageArgument,
    home: HomeOption = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the image to a file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show an image with its caption, scores, seed, parameters and versions.

    [dim]Example:[/] synthvlm images show 3f2a9c01 --save image.jpg
    """
    if save is not None:
        inputs.output_file("--save", save)
    console = stdout_console()
    with readable_home(context, home) as place, dataset_client(place) as client:
        image = _image(client, image_id, bytes_too=save is not None or console.is_terminal)
    if save is not None:
        _write(save, image.image)
    if json:
        print_json(_content(image), indent=2)
        return
    if console.is_terminal and not console.options.ascii_only:
        console.print(half_blocks(image.image, console.width))
    for label, value in _content(image).items():
        console.say(f"{label:<11} {_shown(value)}")


def regenerate(
    context: typer.Context,
    image_id: ImageArgument,
    home: HomeOption = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME|FILE",
            help="A shipped profile, or a YAML file.",
            show_default="the shipped profile that made the image, else mini",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the image to a file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make an image again from its id alone, and say whether it is the same.

    Exits with 1 if its bytes differ from those stored.

    [dim]Example:[/] synthvlm regenerate 3f2a9c01 --out again.jpg
    """
    given = None if profile is None else inputs.profile_reference(profile)
    if out is not None:
        inputs.output_file("--out", out)
    place = prepared_home(context, home)
    with dataset_client(place) as datasets:
        image = _image(datasets, image_id, bytes_too=False)
        reference = given or profile_of(image, datasets)
    with generation_client(place, reference) as client:
        again = client.generate_image(generation_request(image), timeout=None)
    if out is not None:
        _write(out, again.image)
    same = again.digest == image.digest
    if json:
        print_json(
            {
                "image_id": image.image_id,
                "same": same,
                "stored": image.digest,
                "regenerated": again.digest,
            }
        )
    if not same:
        raise CommandError(
            f"the regenerated image differs: stored {image.digest}, now {again.digest}; "
            f"{_why_different(image, again.model_digest)}"
        )
    if not json:
        stderr_console().say(f"{image.image_id}: the same bytes, {image.digest}")


def _image(
    client: DatasetClient, image_id: str, *, bytes_too: bool
) -> dataset_pb2.GetImageResponse:
    return client.get_image(dataset_pb2.GetImageRequest(image_id=image_id, include_image=bytes_too))


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _shown(value: Any) -> str:
    if value is None:
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name} {entry}" for name, entry in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _content(image: dataset_pb2.GetImageResponse) -> dict[str, Any]:
    return {
        "image_id": image.image_id,
        "caption_id": image.caption_id,
        "caption": image.caption,
        "truncated": image.truncated if image.HasField("truncated") else None,
        "repeat": image.repeat,
        "seed": image.seed,
        "scores": {name: round(score, 6) for name, score in sorted(image.scores.items())},
        "generation": loads(image.generation_json),
        "versions": list(image.versions),
        "media_type": image.media_type,
        "digest": image.digest,
    }


def _why_different(image: dataset_pb2.GetImageResponse, model_digest: str) -> str:
    recorded = loads(image.generation_json).get("model_digest")
    if recorded != model_digest:
        return "the model is a different one; use the profile that made it (--profile)"
    return "the model is the same, so the processor or a library computes differently"
