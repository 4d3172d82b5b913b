"""Asking a trained model about a picture."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils.logging import disable_progress_bar

from synthvlm.errors import InvalidInput
from synthvlm.training.images import mean_colour, square

_MOST_TOKENS = 128


class Answerer:
    """A model of the kind image-text-to-text, ready to be asked.

    Args:
        folder: A folder of transformers, as training writes it.
        device: Where it is computed.

    Raises:
        InvalidInput: There is no such model in the folder.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        if not (folder / "config.json").is_file():
            raise InvalidInput(f"{folder} is not the folder of a trained model: no config.json")
        disable_progress_bar()
        try:
            self._processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(f"the model in {folder} cannot be loaded: {error}") from error
        self._model.eval().to(device)

    @torch.no_grad()
    def answer(self, image: Image.Image, question: str) -> str:
        """What the model says, decoded greedily; the picture is padded as in stage 2.

        Raises:
            InvalidInput: The question is empty or has the image's placeholder in it.
        """
        token = self._processor.image_token
        if not question.strip() or token in question:
            raise InvalidInput(f"ask a question in words, without {token}")
        content = [{"type": "image"}, {"type": "text", "text": question.strip()}]
        text = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        colour = mean_colour(self._processor.image_processor)
        given = self._processor(
            images=square(image.convert("RGB"), colour),
            text=text,
            return_tensors="pt",
            # The template has written the token that begins a text.
            add_special_tokens=False,
        ).to(self._model.device, self._model.dtype)
        out = self._model.generate(**given, do_sample=False, max_new_tokens=_MOST_TOKENS)
        said = out[0, given["input_ids"].shape[1] :]
        return str(self._processor.decode(said, skip_special_tokens=True)).strip()
