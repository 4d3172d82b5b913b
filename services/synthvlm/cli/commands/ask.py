"""``synthvlm ask``: a question about a picture, to a trained model."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from synthvlm.cli.failures import blaming
from synthvlm.cli.options import HomeOption, JsonOption, readable_home
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.errors import InvalidInput, NotFound
from synthvlm.storage import open_store
from synthvlm.training.trained import download_model, last_model


def ask(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture: PNG, JPEG, WebP…")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In words.")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="Folder of a vision-language model of transformers.",
            show_default="the last model trained in the home",
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a trained model a question about a picture.

    [dim]Example:[/] synthvlm ask picture.png "What colour is the circle?"
    """
    from PIL import Image, UnidentifiedImageError

    with blaming("IMAGE"):
        try:
            picture = Image.open(image)
            picture.load()
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise InvalidInput(f"{image} cannot be read as a picture: {error}") from error
    with ExitStack() as opened:
        digest = ""
        folder = model
        if folder is None:
            store = open_store(opened.enter_context(readable_home(context, home)).store_location)
            found = last_model(store)
            if found is None:
                raise NotFound("no model has been trained in this home; name a folder by --model")
            digest = found.ref.digest
            copy = opened.enter_context(tempfile.TemporaryDirectory(prefix="synthvlm-model-"))
            folder = download_model(store, found.ref, Path(copy))
        # Only now: it takes seconds, and mistakes are told before.
        from synthvlm.training.answering import Answerer

        answer = Answerer(folder).answer(picture, question)
    if json:
        print_json({"question": question, "answer": answer, "model": digest or str(model)})
        return
    stdout_console().say(answer)
