"""Simulated annotators."""

import numpy as np

from synthvlm.review.statistics.dawid_skene import UNKNOWN, Votes


def votes_by(rates, pairs=3000, overlap=3, truth=0.8, gold=0, seed=0) -> Votes:
    """Verdicts of annotators with the given probabilities to be right on class 0 and on class 1."""
    rng = np.random.default_rng(seed)
    true = np.concatenate([rng.random(pairs) < truth, np.arange(gold) % 2]).astype(int)
    rates = np.asarray(rates)
    asked = np.argsort(rng.random((pairs, len(rates))))[:, :overlap]
    everyone = np.tile(np.arange(len(rates)), gold)
    pair = np.concatenate(
        [np.repeat(np.arange(pairs), overlap), pairs + np.repeat(np.arange(gold), len(rates))]
    )
    annotator = np.concatenate([asked.ravel(), everyone])
    right = rng.random(len(pair)) < rates[annotator, true[pair]]
    return Votes(
        pair=pair,
        annotator=annotator,
        label=np.where(right, true[pair], 1 - true[pair]),
        truth=np.where(np.arange(len(true)) < pairs, UNKNOWN, true),
        sampled=np.arange(len(true)) < pairs,
        annotators=len(rates),
    )
