"""Captions divided by k-means over their embeddings, into clusters that are named by their words.

Clusters are learnt from a sample, so memory is bounded; then each caption belongs to the nearest.
The same sample gives the same clusters, and the cluster of a caption does not depend on which
others are asked about with it. Scikit-learn promises neither, and with SciPy it takes 146 MB, half
of what the image of a service may have.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from synthvlm.caption_clusters.embeddings import CaptionEmbeddings, Words
from synthvlm.caption_clusters.k_means import Integers, k_means, nearest

OTHER: Final = "other words"
"""Name of the captions that have none of the words that count; they are in no cluster."""

_NAME_WORDS: Final = 3


class CaptionClusters:
    """Clusters as learnt from a sample of captions, the largest first.

    Attributes:
        names: For each cluster the words that tell it best from the others.
    """

    def __init__(self, sample: Sequence[str], most: int) -> None:
        """Learns at most ``most`` clusters; fewer, if captions differ in fewer ways."""
        with _one_thread():
            self._embeddings = CaptionEmbeddings(sample)
            chunks = self._embeddings.words(sample)
            points = [self._embeddings.of(words[words.any(axis=1)]) for words in chunks]
            self._centroids = k_means(np.concatenate(points or [np.zeros((0, 0))]), most)
            sizes, names = self._described(sample)
        order = sorted(range(len(names)), key=lambda number: (-sizes[number], names[number]))
        self._centroids = self._centroids[order]
        self.names = [names[number] for number in order]

    def of(self, texts: Sequence[str]) -> Integers:
        """The cluster of each caption, numbered from 0; -1 for those of ``OTHER``."""
        with _one_thread():
            numbers = [self._nearest(words) for words in self._embeddings.words(texts)]
        return np.concatenate([np.zeros(0, np.int64), *numbers])

    def _nearest(self, words: Words) -> Integers:
        known = words.any(axis=1)
        numbers = np.full(len(words), -1)
        if known.any():
            numbers[known], _ = nearest(self._embeddings.of(words[known]), self._centroids)
        return numbers

    def _described(self, sample: Sequence[str]) -> tuple[Integers, list[str]]:
        """Number of captions of each cluster, and its name."""
        clusters = np.arange(len(self._centroids))
        sizes = np.zeros(len(clusters), np.int64)
        having = np.zeros((len(clusters), len(self._embeddings.vocabulary)))
        for words in self._embeddings.words(sample):
            members = self._nearest(words) == clusters[:, None]
            sizes += members.sum(axis=1)
            having += members @ words
        # By how much a word's share of the cluster exceeds its share of all, in whole numbers.
        excess = having * sizes.sum() - having.sum(axis=0) * sizes[:, None]
        telling = excess * self._embeddings.weights
        return sizes, [self._name(scores) for scores in telling]

    def _name(self, telling: Integers) -> str:
        # Of equal ones the commoner: the vocabulary begins with the commonest.
        order = np.argsort(-telling, kind="stable")[:_NAME_WORDS]
        # The only cluster has no word that tells it from others.
        chosen = [column for column in order if telling[column] > 0] or order
        return " · ".join(self._embeddings.vocabulary[column] for column in chosen)


def _one_thread() -> AbstractContextManager[Any]:
    """Keeps matrices of this size, which are small, from being computed by several threads.

    These cost more than they save, a hundred times as much on a busy machine; and on one thread the
    directions are the same on any number of cores.
    """
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits
