"""The interface of an engine; the implementations are in ``engines/``."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
"""An array of float32."""


class Engine(Protocol):
    """A model that embeds images and texts in one space.

    An embedding depends only on its image or text, ``model_digest`` and ``numerics``: never on the
    rest of its batch, the batch's size, or earlier calls.
    """

    @property
    def name(self) -> str:
        """The engine's name in profiles, for example ``open_clip``."""

    @property
    def model_digest(self) -> str:
        """``sha256:`` digest of the model's files."""

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """Everything besides input and model that affects the last bit of an embedding.

        Part of a shard's key: engines with equal numerics produce the same numbers.
        """

    def preprocess(self, image: Image.Image) -> Floats:
        """Converts an RGB image to the model's input. Thread-safe.

        Returns:
            Shape (3, height, width), the same for all images.
        """

    def embed_images(self, inputs: Sequence[Floats]) -> Floats:
        """Embeds one batch of preprocessed images. Called by one thread at a time.

        Returns:
            Shape (images, dimension), each row of length 1.
        """

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Embeds one batch of texts. Called by one thread at a time.

        Texts are truncated to the model's window (CLIP's: 77 tokens, including start and end).

        Returns:
            Shape (texts, dimension), each row of length 1.
        """
