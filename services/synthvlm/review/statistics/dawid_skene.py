"""Annotators' error rates by Dawid and Skene's model, with gold pairs.

Each pair has a true class; each annotator takes class k for class l with a probability of their
own, independently of others (Dawid and Skene, Applied Statistics 28, 1979). EM finds the share of
each class, the annotators' rates and the probability of each class for each pair. Gold pairs, whose
class was known before, inform the rates alone. A pair of the sample whose class an adjudicator has
settled keeps that class: who is asked to settle depends on the verdicts alone, so this does not
bias the shares, as long as the adjudicator does not err.

Annotators give few verdicts on rare classes, so two priors hold the rates. All annotators together:
``CORRECT`` of ``PRIOR_VERDICTS`` verdicts on each class are right. Each annotator: as all
annotators together, with the weight of ``POOLING`` verdicts. The share of each class has Jeffreys'
prior. Nothing is random, so equal verdicts give equal results.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

UNKNOWN: Final = -1
"""The class of a pair that nobody knows."""

PRIOR_VERDICTS: Final = 5.0
CORRECT: Final = 4.0
POOLING: Final = 10.0
JEFFREYS: Final = 0.5
_TOLERANCE: Final = 2e-5
_MAX_ITERATIONS: Final = 500
_BLOCK: Final = 4_000_000
"""Most numbers in an array over pairs and replicates: larger campaigns are fitted in parts."""


@dataclass(frozen=True)
class Votes:
    """The verdicts of a campaign as numbers.

    Attributes:
        pair: For each verdict, the number of its pair, from 0.
        annotator: For each verdict, the number of its annotator, from 0.
        label: For each verdict, its class, from 0. No annotator has two verdicts on a pair.
        truth: For each pair, its class if it is gold or settled, else ``UNKNOWN``.
        sampled: For each pair, whether it is of the sample; gold pairs are not.
        annotators: Number of annotators.
        classes: Number of classes.
    """

    pair: Integers
    annotator: Integers
    label: Integers
    truth: Integers
    sampled: Booleans
    annotators: int
    classes: int = 2

    def __post_init__(self) -> None:
        """Raises ValueError if the arrays do not belong together."""
        if not len(self.pair) == len(self.annotator) == len(self.label):
            raise ValueError("pair, annotator and label must have an entry for each verdict")
        if len(self.truth) != len(self.sampled):
            raise ValueError("truth and sampled must have an entry for each pair")
        if (~self.sampled & (self.truth == UNKNOWN)).any():
            raise ValueError("the class of each gold pair must be known")
        for name, values, least, end in (
            ("pair", self.pair, 0, len(self.truth)),
            ("annotator", self.annotator, 0, self.annotators),
            ("label", self.label, 0, self.classes),
            ("truth", self.truth, UNKNOWN, self.classes),
        ):
            if len(values) and not least <= values.min() <= values.max() < end:
                raise ValueError(f"{name} must be from {least} to {end - 1}")


@dataclass(frozen=True)
class Fit:
    """What EM found, for each of B weightings of the pairs.

    Attributes:
        prevalence: Share of each class in what was sampled from: classes by B.
        confusion: Probability that an annotator takes a true class (axis 1) for another (axis 2):
            annotators by classes by classes by B.
        evidence: Log of the probability of each pair's verdicts if it is of a class: classes by
            pairs by B.
        posterior: Probability of each class for each pair: classes by pairs by B.
        converged: Whether the shares had stopped changing.
    """

    prevalence: Floats
    confusion: Floats
    evidence: Floats
    posterior: Floats
    converged: bool


def fit(votes: Votes, weights: Floats | None = None) -> Fit:
    """Fits the model.

    Args:
        votes: The verdicts.
        weights: Weight of each pair, pairs by B; None: all are 1. Weights of a sample that is not
            simple make the shares those of what was sampled from.

    Raises:
        ValueError: if the sample is empty or without weight.
    """
    pairs = len(votes.truth)
    weights = np.ones((pairs, 1)) if weights is None else weights
    own = weights * votes.sampled[:, None]
    if not (own.sum(axis=0) > 0).all():
        raise ValueError("the sample must have a pair with a positive weight")
    given = _by_label(votes)
    known = np.flatnonzero(votes.truth != UNKNOWN)
    posterior = _first_guess(votes, given, weights.shape[1])
    prevalence = np.zeros((votes.classes, weights.shape[1]))
    for _ in range(_MAX_ITERATIONS):
        posterior[:, known] = np.eye(votes.classes)[:, votes.truth[known], None]
        before, prevalence = prevalence, (own * posterior).sum(axis=1) + JEFFREYS
        prevalence /= prevalence.sum(axis=0)
        confusion = _confusion(given, weights * posterior)
        evidence = _evidence(given, np.log(confusion))
        posterior = evidence + np.log(prevalence)[:, None]
        posterior -= posterior.max(axis=0)
        np.exp(posterior, out=posterior)
        posterior /= posterior.sum(axis=0)
        converged = bool(np.abs(prevalence - before).max() < _TOLERANCE)
        if converged:
            break
    posterior[:, known] = np.eye(votes.classes)[:, votes.truth[known], None]
    return Fit(prevalence, confusion, evidence, posterior, converged)


def columns_at_once(votes: Votes) -> int:
    """How many weightings ``fit`` can take at once without using much memory."""
    return max(1, _BLOCK // max(1, votes.classes * len(votes.truth)))


def _by_label(votes: Votes) -> list[sparse.csr_array]:
    """For each class, who gave it to which pair: pairs by annotators."""
    shape = (len(votes.truth), votes.annotators)
    chosen = [votes.label == label for label in range(votes.classes)]
    return [
        sparse.csr_array((np.ones(c.sum()), (votes.pair[c], votes.annotator[c])), shape=shape)
        for c in chosen
    ]


def _first_guess(votes: Votes, given: list[sparse.csr_array], columns: int) -> Floats:
    """The share of the verdicts on each pair that each class has, and a little of the others."""
    counts = np.stack([label.sum(axis=1) for label in given]) + 1 / votes.classes
    return np.repeat((counts / counts.sum(axis=0))[:, :, None], columns, axis=2)


def _confusion(given: list[sparse.csr_array], share: Floats) -> Floats:
    """The annotators' rates, given the weighted probability of each class of each pair."""
    transposed = [label.T.tocsr() for label in given]
    counts = np.stack([np.stack([label @ one for label in transposed], 1) for one in share], 1)
    classes = len(given)
    wrong = (PRIOR_VERDICTS - CORRECT) / max(1, classes - 1)
    prior = np.full((classes, classes), wrong) + (CORRECT - wrong) * np.eye(classes)
    pooled = counts.sum(axis=0) + prior[:, :, None]
    counts = counts + POOLING * pooled / pooled.sum(axis=1, keepdims=True)
    return np.asarray(counts / counts.sum(axis=2, keepdims=True))


def _evidence(given: list[sparse.csr_array], log_confusion: Floats) -> Floats:
    classes = range(len(given))
    return np.stack([sum(given[m] @ log_confusion[:, k, m] for m in classes) for k in classes])
