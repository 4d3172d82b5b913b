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

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

UNKNOWN: Final = -1
"""The class of a pair that nobody knows."""

PRIOR_VERDICTS: Final = 5.0
CORRECT: Final = 4.0
POOLING: Final = 10.0
JEFFREYS: Final = 0.5
_TOLERANCE: Final = 1e-5
_MAX_ITERATIONS: Final = 500
_BLOCK: Final = 250_000
"""Most numbers in an array over pairs and replicates, which so stays in a processor's cache."""
_VERDICTS: Final = 4
"""How many times as large an array over verdicts and replicates may be."""


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


def fit(votes: Votes, weights: Floats | None = None, start: Floats | None = None) -> Fit:
    """Fits the model.

    Args:
        votes: The verdicts.
        weights: Weight of each pair, pairs by B; None: all are 1. Weights of a sample that is not
            simple make the shares those of what was sampled from.
        start: Probability of each class for each pair to begin with, classes by pairs; None: the
            share of its verdicts that each class has.

    Raises:
        ValueError: if the sample is empty or without weight.
    """
    pairs = len(votes.truth)
    weights = np.ones((pairs, 1)) if weights is None else weights
    own = weights * votes.sampled[:, None]
    if not (own.sum(axis=0) > 0).all():
        raise ValueError("the sample must have a pair with a positive weight")
    given = _Given(votes, weights.shape[1])
    known = np.flatnonzero(votes.truth != UNKNOWN)
    begin = _first_guess(votes) if start is None else start
    posterior = np.repeat(begin[:, :, None], weights.shape[1], axis=2)
    certain = np.eye(votes.classes)[:, votes.truth[known], None]
    prevalence = np.zeros((votes.classes, weights.shape[1]))
    for _ in range(_MAX_ITERATIONS):
        posterior[:, known] = certain
        before = prevalence
        prevalence = np.einsum("pb,kpb->kb", own, posterior) + JEFFREYS
        prevalence /= prevalence.sum(axis=0)
        confusion = given.confusion(weights * posterior)
        evidence = given.evidence(np.log(confusion))
        posterior = _normalised(evidence + np.log(prevalence)[:, None])
        converged = bool(np.abs(prevalence - before).max() < _TOLERANCE)
        if converged:
            break
    posterior[:, known] = certain
    return Fit(prevalence, confusion, evidence, posterior, converged)


@dataclass(frozen=True)
class Patterns:
    """Pairs with the same verdicts: they have the same probabilities, whatever their weights.

    Attributes:
        votes: The verdicts of one pair of each pattern.
        pattern: For each pair, the number of its pattern, from 0.
    """

    votes: Votes
    pattern: Integers

    @classmethod
    def of(cls, votes: Votes) -> "Patterns":
        """Puts pairs together that have equal verdicts, truth, and part in the sample."""
        order = np.lexsort((votes.label, votes.annotator, votes.pair))
        code = (votes.annotator * votes.classes + votes.label)[order]
        ends = np.cumsum(np.bincount(votes.pair, minlength=len(votes.truth)))
        numbers: dict[tuple[bytes, int, bool], int] = {}
        pattern = np.array(
            [
                numbers.setdefault((code[start:end].tobytes(), truth, sampled), len(numbers))
                for start, end, truth, sampled in zip(
                    (0, *ends[:-1].tolist()),
                    ends.tolist(),
                    votes.truth.tolist(),
                    votes.sampled.tolist(),
                    strict=True,
                )
            ],
            np.int64,
        )
        _, first = np.unique(pattern, return_index=True)
        kept = np.isin(votes.pair, first)
        alone = replace(
            votes,
            pair=pattern[votes.pair[kept]],
            annotator=votes.annotator[kept],
            label=votes.label[kept],
            truth=votes.truth[first],
            sampled=votes.sampled[first],
        )
        return cls(alone, pattern)

    def totals(self, weights: Floats) -> Floats:
        """Weights of the patterns, of those of the pairs: patterns by B, of pairs by B."""
        pairs = np.arange(len(self.pattern))
        return _Sums(pairs, self.pattern, len(self.votes.truth), weights.shape[1])(weights)


def columns_at_once(votes: Votes) -> int:
    """How many weightings ``fit`` takes at once fastest."""
    most = max(votes.classes * len(votes.truth), len(votes.pair) // _VERDICTS)
    return max(1, _BLOCK // max(1, most))


class _Given:
    """Who gave which class to which pair.

    Args:
        votes: The verdicts.
        columns: Number of weightings.
    """

    def __init__(self, votes: Votes, columns: int) -> None:
        self._classes = votes.classes
        place = votes.annotator * votes.classes + votes.label
        self._by_pair = _Sums(place, votes.pair, len(votes.truth), columns)
        self._by_place = _Sums(votes.pair, place, votes.annotators * votes.classes, columns)

    def confusion(self, share: Floats) -> Floats:
        """The annotators' rates, given the weighted probability of each class of each pair."""
        classes = self._classes
        counts = np.stack(
            [self._by_place(one).reshape(-1, classes, one.shape[1]) for one in share], axis=1
        )
        wrong = (PRIOR_VERDICTS - CORRECT) / max(1, classes - 1)
        prior = np.full((classes, classes), wrong) + (CORRECT - wrong) * np.eye(classes)
        pooled = counts.sum(axis=0) + prior[:, :, None]
        counts = counts + POOLING * pooled / pooled.sum(axis=1, keepdims=True)
        return np.asarray(counts / counts.sum(axis=2, keepdims=True))

    def evidence(self, log_confusion: Floats) -> Floats:
        """Log of the probability of each pair's verdicts if it is of a class."""
        columns = log_confusion.shape[-1]
        return np.stack(
            [self._by_pair(log_confusion[:, k].reshape(-1, columns)) for k in range(self._classes)]
        )


class _Sums:
    """Adds up rows by groups: what a sparse matrix of ones does, with numpy alone.

    Args:
        taken: Numbers of the rows that are added.
        group: For each of them, the group that it is added to.
        groups: Number of groups.
        columns: Length of a row.
    """

    def __init__(self, taken: Integers, group: Integers, groups: int, columns: int) -> None:
        self._taken = taken
        self._shape = (groups, columns)
        self._cells = (group[:, None] * columns + np.arange(columns)).ravel()

    def __call__(self, rows: Floats) -> Floats:
        """The sums: groups by columns."""
        addends = np.take(rows, self._taken, axis=0).ravel()
        sums = np.bincount(self._cells, addends, minlength=self._shape[0] * self._shape[1])
        return np.asarray(sums.reshape(self._shape), np.float64)


def _normalised(logarithms: Floats) -> Floats:
    """Probabilities of the classes (axis 0), of their logarithms up to a common summand."""
    if len(logarithms) == 2:
        # The same as below with half of the exponentials.
        with np.errstate(over="ignore"):
            second = 1 / (1 + np.exp(logarithms[0] - logarithms[1]))
        return np.stack([1 - second, second])
    logarithms = np.exp(logarithms - logarithms.max(axis=0))
    return np.asarray(logarithms / logarithms.sum(axis=0))


def _first_guess(votes: Votes) -> Floats:
    """The share of the verdicts on each pair that each class has, and a little of the others."""
    place = votes.pair * votes.classes + votes.label
    counts = np.bincount(place, minlength=len(votes.truth) * votes.classes)
    shares = counts.reshape(-1, votes.classes).T + 1 / votes.classes
    return np.asarray(shares / shares.sum(axis=0))
