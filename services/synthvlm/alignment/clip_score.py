"""CLIPScore, as the paper stores it (Hessel et al. 2021, without the factor w = 2.5)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synthvlm.alignment.engine import Floats

PROMPT_PREFIX = "A photo depicts "
"""Prefix that the authors of CLIPScore, and the paper, put before each caption."""


def prompt(prefix: str, caption: str) -> str:
    """The text whose embedding is compared with the image's."""
    return f"{prefix}{caption}"


def clip_scores(images: Floats, texts: Floats) -> npt.NDArray[np.float64]:
    """Cosine similarity of each image and the text of the same row, clipped at 0.

    Args:
        images: Embeddings of shape (pairs, dimension), each row of length 1.
        texts: Likewise.

    Returns:
        Shape (pairs,), 0 to 1. NaN where an embedding contains NaN.
    """
    # Each row's sum of products in float64, which does not depend on the other rows.
    cosines = np.sum(images.astype(np.float64) * texts.astype(np.float64), axis=1)
    clipped: npt.NDArray[np.float64] = np.clip(cosines, 0.0, 1.0)
    return clipped


def distinct(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """The distinct texts in order of appearance, and the index of each text among them.

    A caption's repeats are adjacent in a shard, so its text needs to be embedded only once.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return list(places), [places[text] for text in texts]
