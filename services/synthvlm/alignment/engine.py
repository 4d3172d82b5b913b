"""What an engine does, in the domain's terms; the engines themselves are in ``engines/``."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
"""An array of float32."""


class Engine(Protocol):
    """A model that embeds images and texts in one space.

    An embedding depends on its image or text, ``model_digest`` and ``numerics`` only: never on the
    others of its batch, on their number, or on what was embedded before.
    """

    @property
    def name(self) -> str:
        """The engine's name in profiles, for example ``open_clip``."""

    @property
    def model_digest(self) -> str:
        """``sha256:`` digest of the model's files."""

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """Everything besides input and model that the last bit of an embedding depends on.

        Engines that give the same numbers have equal numerics; they are part of a shard's key.
        """

    def preprocess(self, image: Image.Image) -> Floats:
        """An RGB image as the model takes it. Thread-safe.

        Returns:
            Shape (3, height, width), the same for all images.
        """

    def embed_images(self, inputs: Sequence[Floats]) -> Floats:
        """Embeddings of one batch of preprocessed images. Called by one thread at a time.

        Returns:
            Shape (images, dimension), each row of length 1.
        """

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Embeddings of one batch of texts. Called by one thread at a time.

        What exceeds the model's window (CLIP's: 77 tokens, start and end included) is cut off.

        Returns:
            Shape (texts, dimension), each row of length 1.
        """
