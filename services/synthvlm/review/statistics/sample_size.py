"""How many pairs and verdicts a wanted interval of the truth rate takes.

The width follows from the Fisher information of the model behind the estimate: a pair is true with
the truth rate, its verdicts are right with the annotators' sensitivity or specificity, and these
are unknown, too, but for what gold pairs tell of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np

from synthvlm.review.statistics.bootstrap import CONFIDENCE, quantile, wilson
from synthvlm.review.statistics.dawid_skene import PRIOR_VERDICTS, Floats, Integers

MAX_PAIRS: Final = 1_000_000
"""Largest sample that is considered."""

OVERLAPS: Final = (1, 2, 3, 5, 7)
"""Numbers of verdicts a pair that are compared."""


@dataclass(frozen=True)
class Annotators:
    """What is expected of those who judge.

    Attributes:
        sensitivity: Probability of calling a true pair true.
        specificity: Probability of calling a false pair false.
        gold_true: Answers to gold pairs that are true, of all annotators together.
        gold_false: Answers to gold pairs that are false, of all annotators together.
    """

    sensitivity: float = 0.9
    specificity: float = 0.9
    gold_true: int = 100
    gold_false: int = 100


@dataclass(frozen=True)
class Plan:
    """A sample that gives an interval of the wanted width.

    Attributes:
        overlap: Verdicts a pair.
        pairs: Pairs.
        width: Expected width of the interval.
        share: Share of the pairs that get so many verdicts; the others get one.
    """

    overlap: int
    pairs: int
    width: float
    share: float = 1.0

    @property
    def verdicts(self) -> int:
        """Verdicts in total, answers to gold pairs not counted."""
        several = round(self.share * self.pairs)
        return several * self.overlap + self.pairs - several


def expected_width(
    truth: float,
    pairs: int,
    overlap: int,
    annotators: Annotators,
    *,
    share: float = 1.0,
    confidence: float = CONFIDENCE,
) -> float:
    """Width of the interval to expect; at least that of Wilson's, as in ``bootstrap.interval``.

    Args:
        truth: The truth rate that is expected, between 0 and 1, without them.
        pairs: Pairs in a simple sample.
        overlap: Verdicts a pair.
        annotators: What is expected of those who judge.
        share: Share of the pairs that get so many verdicts; the others get one.
        confidence: How often such intervals are to contain the truth.
    """
    information = share * _information(truth, overlap, annotators)
    if share < 1:
        information += (1 - share) * _information(truth, 1, annotators)
    information *= pairs
    # The prior of the error rates is worth so many more answers to gold pairs of each kind.
    gold = np.array([annotators.gold_true, annotators.gold_false]) + PRIOR_VERDICTS
    rates = np.array([annotators.sensitivity, annotators.specificity])
    information[[1, 2], [1, 2]] += gold / (rates * (1 - rates))
    error = float(np.sqrt(np.linalg.inv(information)[0, 0]))
    reach = quantile(confidence) * error / (truth * (1 - truth))
    centre = np.log(truth / (1 - truth))
    low, high = (float(1 / (1 + np.exp(-(centre + side)))) for side in (-reach, reach))
    least, most = wilson(truth, pairs, confidence)
    return max(high, most) - min(low, least)


def plans(
    truth: float,
    width: float,
    annotators: Annotators,
    *,
    overlaps: Sequence[int] = OVERLAPS,
    share: float = 1.0,
    confidence: float = CONFIDENCE,
) -> list[Plan]:
    """The smallest sample for each number of verdicts a pair, the fewest verdicts first.

    Plans that cannot give the width with ``MAX_PAIRS`` pairs are left out: where too little is
    known of the annotators' errors, no sample is large enough.

    Args:
        truth: The truth rate that is expected.
        width: Width of the interval that is wanted.
        annotators: What is expected of those who judge.
        overlaps: Numbers of verdicts a pair.
        share: Share of the pairs that get so many verdicts; the others get one.
        confidence: How often such intervals are to contain the truth.

    Raises:
        ValueError: if a share is not between 0 and 1, without them, or the annotators are no better
            than chance.
    """
    shares = {
        "truth": truth,
        "width": width,
        "sensitivity": annotators.sensitivity,
        "specificity": annotators.specificity,
    }
    for name, value in shares.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, without them, not {value}")
    if annotators.sensitivity + annotators.specificity <= 1:
        raise ValueError("sensitivity and specificity must add up to more than 1")
    found = [
        plan
        for overlap in overlaps
        if (plan := _smallest(truth, width, overlap, annotators, share, confidence)) is not None
    ]
    return sorted(found, key=lambda plan: (plan.verdicts, plan.pairs))


def plans_of(
    truth: float,
    pairs: int,
    annotators: Annotators,
    *,
    overlaps: Sequence[int] = OVERLAPS,
    share: float = 1.0,
    confidence: float = CONFIDENCE,
) -> list[Plan]:
    """The interval to expect of a sample, for each number of verdicts a pair; see ``plans``."""
    found = [
        Plan(
            overlap,
            pairs,
            expected_width(truth, pairs, overlap, annotators, share=share, confidence=confidence),
            share,
        )
        for overlap in overlaps
    ]
    return sorted(found, key=lambda plan: plan.verdicts)


def _smallest(
    truth: float,
    width: float,
    overlap: int,
    annotators: Annotators,
    share: float,
    confidence: float,
) -> Plan | None:
    def wide(pairs: int) -> float:
        return expected_width(truth, pairs, overlap, annotators, share=share, confidence=confidence)

    few, many = 0, MAX_PAIRS
    if wide(many) > width:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if wide(middle) <= width else (middle, many)
    return Plan(overlap, many, wide(many), share)


def _information(truth: float, overlap: int, annotators: Annotators) -> Floats:
    """Fisher information of a pair on the truth rate, the sensitivity and the specificity."""
    sensitivity, specificity = annotators.sensitivity, annotators.specificity
    accepted = np.arange(overlap + 1)
    if_true = _binomial(accepted, overlap, sensitivity)
    if_false = _binomial(accepted, overlap, 1 - specificity)
    probability = truth * if_true + (1 - truth) * if_false
    # Derivatives of a binomial probability by its parameter: (count - n p) / (p (1 - p)).
    slopes = np.stack(
        [
            if_true - if_false,
            truth * if_true * _score(accepted, overlap, sensitivity),
            -(1 - truth) * if_false * _score(accepted, overlap, 1 - specificity),
        ]
    )
    seen = probability > 0
    return np.asarray((slopes[:, seen] / probability[seen]) @ slopes[:, seen].T)


def _binomial(accepted: Integers, overlap: int, rate: float) -> Floats:
    """Probability of each count of ``overlap`` verdicts that accept with probability ``rate``."""
    ways = np.array([comb(overlap, count) for count in accepted.tolist()], np.float64)
    return np.asarray(ways * rate**accepted * (1 - rate) ** (overlap - accepted))


def _score(accepted: Integers, overlap: int, rate: float) -> Floats:
    return np.asarray((accepted - overlap * rate) / (rate * (1 - rate)))
