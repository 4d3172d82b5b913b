"""Tokenizers from local files: how many tokens a text has.

Only the library ``tokenizers`` is used, which loads no model and is asked for nothing of a hub.
"""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tokenizers

from synthvlm.caption.locations import Locations
from synthvlm.errors import FieldViolation, InvalidInput, NotFound
from synthvlm.model_folders import BUNDLED, resolve_model
from synthvlm.storage import sha256_digest

TOKENIZER_FILE = "tokenizer.json"
"""The file that holds a whole tokenizer, as ``save_pretrained`` of transformers writes it."""

MAX_TOKENIZER_BYTES = 64 << 20
"""Largest tokenizer file; those of language models with 256,000 tokens have half of it."""


class Tokenizer:
    """A tokenizer.

    Args:
        content: What its file holds.

    Attributes:
        digest: ``sha256:`` and the hexadecimal digits of the file's content.

    Raises:
        ValueError: It is not a tokenizer.
    """

    def __init__(self, content: bytes) -> None:
        self.digest = sha256_digest(content)
        self._tokenizer = tokenizers.Tokenizer.from_buffer(content)
        # A file may say how its model cuts and fills texts; what counts is the whole text.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def counts(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text, without the special ones that are put around it, int64 [texts].

        Raises:
            InvalidInput: The tokenizer knows a part of a text neither by a token nor as unknown.
        """
        try:
            encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        except Exception as error:
            # The library raises nothing more specific.
            problem = f"the tokenizer of the recipe cannot encode a caption: {error}"
            raise InvalidInput(problem, [FieldViolation("recipe_yaml", problem)]) from error
        return np.fromiter(map(len, encoded), np.int64, len(encoded))


def load_tokenizer(reference: str, locations: Locations) -> Tokenizer:
    """Reads a tokenizer; the newest ones are kept.

    Args:
        reference: ``bundled:NAME`` for that of a model of the package, else the absolute path or
            the URL of a ``tokenizer.json`` or of its folder.
        locations: Where it may lie.

    Raises:
        InvalidInput: It lies where nothing may be read, or the reference is neither.
        NotFound: It does not exist.
        PreconditionFailed: It cannot be read.
        ValueError: It is too large, or not a tokenizer.
    """
    if reference.startswith(BUNDLED):
        file = resolve_model(reference) / TOKENIZER_FILE
        if not file.is_file():
            raise NotFound(f"the model {reference} has no {TOKENIZER_FILE}")
        return _made(file.read_bytes())
    if not reference.endswith(".json"):
        reference = f"{reference.rstrip('/')}/{TOKENIZER_FILE}"
    with locations.find(reference, "recipe_yaml").open() as opened:
        content = opened.read(MAX_TOKENIZER_BYTES + 1)
    if len(content) > MAX_TOKENIZER_BYTES:
        raise ValueError(f"it is larger than {MAX_TOKENIZER_BYTES >> 20} MiB")
    return _made(content)


@functools.lru_cache(maxsize=2)
def _made(content: bytes) -> Tokenizer:
    return Tokenizer(content)
