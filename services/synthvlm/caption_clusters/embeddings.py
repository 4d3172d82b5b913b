"""Embeddings of captions that are learnt from the captions themselves, with numpy alone.

Latent semantic analysis (Deerwester et al., 1990): words weighted by how rare they are, projected
to the directions in which captions differ most. So captions are near one another that share words,
or words that are used with the same others. Embeddings need no model, and know no more of the
language than these captions show.

All but the directions is computed in whole numbers, which floats hold exactly in whatever order
they are added, and the directions are rounded to whole numbers. So an embedding does not depend on
other captions of the same call. Processors with other instructions compute directions that differ
in their last bits, which rounding all but always hides.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synthvlm.caption_mix import words_of

Floats = NDArray[np.float64]
Words = NDArray[np.float32]
"""Captions by words: 1 where a caption has a word, else 0."""

VOCABULARY: Final = 1024
"""Words that count: the commonest of those that several captions have. Others are passed over."""

DIMENSIONS: Final = 64
"""Numbers of an embedding; fewer, if there are fewer words."""

UNIT: Final = 1 << 11
"""Length of an embedding before its numbers are rounded."""

_MOST_WORDS: Final = 64
"""Distinct words of a caption that count, its first; about as many reach a text encoder."""

_STEPS: Final = 16
"""Weights are counted in this part of a bit."""

_AT_ONCE: Final = 1024
"""Captions whose words are in memory at the same time."""


class CaptionEmbeddings:
    """Embeddings as learnt from some captions.

    Attributes:
        vocabulary: The words that count.
        weights: Their inverse document frequencies, whole numbers of sixteenths of a bit, (words,).
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Learns from captions, in any order."""
        having = Counter(word for text in texts for word in _first_words(text))
        # A word of one caption says of no two that they are alike; marks are no words.
        common = sorted(
            (-count, word)
            for word, count in having.items()
            if count > 1 and any(map(str.isalnum, word))
        )
        self.vocabulary = [word for _, word in common[:VOCABULARY]]
        self._columns = {word: column for column, word in enumerate(self.vocabulary)}
        self.weights = np.array(
            [round(_STEPS * log2(len(texts) / having[word])) for word in self.vocabulary],
            np.float64,
        )
        self._projection = self.weights[:, None] * self._directions(texts)
        counts = np.array([having[word] for word in self.vocabulary], np.float64)
        self._mean = np.rint(counts @ self._projection / max(1, len(texts)))

    def words(self, texts: Sequence[str]) -> Iterator[Words]:
        """Which words captions have, (captions, words); a chunk of captions at a time."""
        for begin in range(0, len(texts), _AT_ONCE):
            chunk = texts[begin : begin + _AT_ONCE]
            present = np.zeros((len(chunk), len(self.vocabulary)), np.float32)
            for row, text in enumerate(chunk):
                known = [word for word in _first_words(text) if word in self._columns]
                present[row, [self._columns[word] for word in known]] = 1
            yield present

    def of(self, words: Words) -> Floats:
        """Embeddings of captions by their words: whole numbers, (captions, dimensions).

        Those of captions without any of the words are 0.
        """
        rows = words @ self._projection - self._mean
        rows[~words.any(axis=1)] = 0
        lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        units: Floats = np.zeros_like(rows)
        np.divide(UNIT * rows, lengths, out=units, where=lengths > 0)
        return np.rint(units, out=units)

    def _directions(self, texts: Sequence[str]) -> Floats:
        """What a word, weighted, adds to an embedding: whole numbers, (words, dimensions)."""
        together = np.zeros((len(self.vocabulary), len(self.vocabulary)))
        for words in self.words(texts):
            together += words.T @ words
        counts = np.diag(together)
        covariance = together - np.outer(counts, counts) / max(1, len(texts))
        values, vectors = np.linalg.eigh(covariance * np.outer(self.weights, self.weights))
        # Directions count by their singular values: so words that are used alike come together.
        strengths = np.sqrt(np.maximum(values, 0))[::-1][:DIMENSIONS]
        strengths *= UNIT / max(1, strengths.max(initial=0))
        directions: Floats = np.rint(vectors[:, ::-1][:, :DIMENSIONS] * strengths)
        return directions


def _first_words(text: str) -> list[str]:
    return list(dict.fromkeys(words_of(text)))[:_MOST_WORDS]
