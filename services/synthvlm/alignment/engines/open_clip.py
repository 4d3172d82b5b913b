"""The open_clip engine: a CLIP model from a local folder, in process."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoTokenizer

from synthvlm.alignment.engine import Floats
from synthvlm.alignment.engines.preprocessing import Preprocess, preprocessing
from synthvlm.alignment.engines.transformers_clip import is_transformers_folder, translate
from synthvlm.errors import PreconditionFailed
from synthvlm.model_folders import model_digest

_LOADING_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, RuntimeError, AssertionError),
    SafetensorError,
    UnpicklingError,
)
"""What the libraries raise for files that are missing, damaged, or from another kind of model."""

Tokenize = Callable[[list[str]], torch.Tensor]
"""Converts texts to int64 tokens of shape (texts, context length), truncated and padded with 0."""


class OpenClipEngine:
    """Embeds images and texts with an ``open_clip.CLIP``.

    Batch invariance: kernels choose the order of summation by the size of their inputs, so an
    embedding differs in its last bits between a batch of 1 and a batch of 64. Every batch is
    therefore padded to a multiple of ``batch_multiple`` with copies of its first row, whose results
    are discarded.

    Args:
        model: In float32 on its device, in inference mode.
        preprocess: The model's image transform.
        tokenize: The model's tokenizer.
        digest: ``sha256:`` digest of the model's files.
        threads: Threads per operation on the CPU.
        batch_multiple: Batches are padded to a multiple of this.
    """

    name = "open_clip"

    def __init__(
        self,
        model: Any,
        preprocess: Preprocess,
        tokenize: Tokenize,
        digest: str,
        threads: int,
        batch_multiple: int,
    ) -> None:
        self.model_digest = digest
        self._model = model.eval()
        self._preprocess = preprocess
        self._tokenize = tokenize
        self._threads = threads
        self._multiple = batch_multiple
        self._device = next(model.parameters()).device
        self.numerics: Mapping[str, str | int] = {
            "executor": "torch",
            "device": self._device.type,
            "dtype": "float32",
            "batch_multiple": batch_multiple,
            **({"threads": threads} if self._device.type == "cpu" else {}),
        }

    def preprocess(self, image: Image.Image) -> Floats:
        """See ``Engine.preprocess``."""
        return self._preprocess(image)

    def embed_images(self, inputs: Sequence[Floats]) -> Floats:
        """See ``Engine.embed_images``."""
        return self._embed(self._model.encode_image, torch.from_numpy(np.stack(inputs)))

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """See ``Engine.embed_texts``."""
        return self._embed(self._model.encode_text, self._tokenize(list(texts)))

    @torch.inference_mode()
    def _embed(self, encode: Callable[..., torch.Tensor], rows: torch.Tensor) -> Floats:
        # OpenMP keeps this setting per thread, so it is set on every call.
        torch.set_num_threads(self._threads)
        padding = -len(rows) % self._multiple
        padded = torch.cat([rows, rows[:1].expand(padding, *rows.shape[1:])])
        embedded = encode(padded.to(self._device), normalize=True)
        values: Floats = embedded[: len(rows)].float().cpu().numpy()
        return values


def load(folder: Path, *, device: str, threads: int, batch_multiple: int) -> OpenClipEngine:
    """Loads a model from a local folder; nothing is downloaded.

    Two formats are supported: open_clip's (``open_clip_config.json``, weights, and tokenizer files
    if the configuration names a tokenizer, else open_clip's own vocabulary), and transformers'
    (``config.json`` of a CLIPModel, weights, tokenizer, ``preprocessor_config.json``).

    Args:
        folder: The folder.
        device: torch device, for example ``cpu`` or ``cuda:0``.
        threads: Threads per operation on the CPU.
        batch_multiple: Batches are padded to a multiple of this.

    Raises:
        PreconditionFailed: The folder does not contain such a model, or the device is unavailable.
    """
    # Algorithms chosen by timing would differ from run to run.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.set_num_threads(threads)
    read = _from_transformers if is_transformers_folder(folder) else _from_open_clip
    try:
        model, preprocess, tokenize = read(folder, device)
    except _LOADING_ERRORS as error:
        raise PreconditionFailed(
            f"no CLIP model can be loaded from {folder}: {error}; give a folder in the format of "
            f"open_clip (open_clip_config.json) or transformers (config.json of a CLIPModel)"
        ) from error
    return OpenClipEngine(
        model, preprocessing(preprocess), tokenize, model_digest(folder), threads, batch_multiple
    )


def _from_open_clip(folder: Path, device: str) -> tuple[Any, Any, Tokenize]:
    name = f"local-dir:{folder}"
    model, preprocess = open_clip.create_model_from_pretrained(name, device=device)
    return model, preprocess, open_clip.get_tokenizer(name)


def _from_transformers(folder: Path, device: str) -> tuple[Any, Any, Tokenize]:
    translation = translate(folder)
    model = open_clip.CLIP(**translation.model)
    # Strict: a missing or unexpected weight means a different architecture. The causal mask is a
    # buffer that open_clip creates itself.
    model.load_state_dict(translation.weights, strict=True)
    preprocess = image_transform_v2(PreprocessCfg(**translation.preprocess), is_train=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    length = translation.model["text_cfg"]["context_length"]

    def tokenize(texts: list[str]) -> torch.Tensor:
        rows = tokenizer(texts, truncation=True, max_length=length).input_ids
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = torch.tensor(row)
        return tokens

    return model.to(device), preprocess, tokenize
