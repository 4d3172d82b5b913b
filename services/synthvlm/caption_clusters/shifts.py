"""How the shares of clusters differ between two sets of captions."""

from typing import Final

import numpy as np

from synthvlm.caption_clusters.clusters import OTHER, CaptionClusters
from synthvlm.caption_mix import CaptionMix, Shift

COMPARED: Final = 8
"""Clusters by which mixes are compared."""


def cluster_shifts(before: CaptionMix, after: CaptionMix) -> list[Shift]:
    """Shares of captions by cluster, the largest cluster first, captions in no cluster last.

    Clusters are learnt from the samples of both; shares are those of each.
    """
    samples = before.sample.texts(), after.sample.texts()
    clusters = CaptionClusters(sorted([*samples[0], *samples[1]]), COMPARED)
    names = [*clusters.names, OTHER]
    # The last bin is that of captions in no cluster.
    counts = [
        np.bincount(clusters.of(texts) % len(names), minlength=len(names)) for texts in samples
    ]
    shares = [count / max(1, count.sum()) for count in counts]
    return [
        Shift(name, float(one), float(other))
        for name, one, other in zip(names, *shares, strict=True)
        if one or other
    ]
