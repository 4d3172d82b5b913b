"""The truth rate of a version: the share of its pairs that are aligned, with an interval.

Annotators err, and so the share of pairs that most of them accept is not the truth rate; nor does
Wilson's interval around it contain the truth as often as it says. The estimate here is the
prevalence of Dawid and Skene's model with gold pairs and sampling weights, the interval that of a
bootstrap over pairs.
``docs/review-statistics.md`` has measured how often such intervals contain the truth.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from synthvlm.review.statistics.bootstrap import (
    CONFIDENCE,
    REPLICATES,
    Interval,
    SampleWeights,
    effective_pairs,
    interval,
    judged,
    replicate,
)
from synthvlm.review.statistics.dawid_skene import Booleans, Fit, Floats, Integers, Patterns, Votes

REJECTED: Final = 0
ACCEPTED: Final = 1

MIN_PAIRS: Final = 20
"""From so many judged pairs on, an interval is given."""

MIN_GOLD: Final = 20
"""From so many answers to gold pairs of each class on, one verdict a pair is enough."""

MIN_VERDICTS: Final = 3
"""Without them, some pairs need so many verdicts: fewer do not tell errors from false pairs."""

MIN_OVERLAP: Final = 50
"""Pairs that need ``MIN_VERDICTS``; half of the pairs, where that is fewer."""


MAX_AWAITED: Final = 0.02
"""Share of the pairs that may wait for a verdict in a sample that is not judged in random order."""

MIN_YOUDEN: Final = 0.1
"""What annotators' sensitivity and specificity must exceed 1 by, on average over the verdicts."""

_INSIDE: Final = (1e-4, 1 - 1e-4)
"""What a regression on scores may give at most."""


@dataclass(frozen=True)
class TruthRate:
    """The truth rate of what was sampled from.

    Attributes:
        interval: The estimate and its interval; None if the verdicts do not determine it.
        with_scores: The same with the help of the scores of all pairs; None without scores.
        pairs: Number of judged pairs, gold pairs not counted.
        verdicts: Number of verdicts on them.
        gold_answers: Number of answers to gold pairs.
        reason: Why there is no interval; empty otherwise.
    """

    interval: Interval | None
    with_scores: Interval | None
    pairs: int
    verdicts: int
    gold_answers: int
    reason: str = ""


@dataclass(frozen=True)
class Scores:
    """Scores that hint at which pairs are aligned.

    Attributes:
        sampled: Score of each pair of the campaign; ignored for gold pairs.
        mean: Mean score of all pairs that were sampled from.
    """

    sampled: Floats
    mean: float

    def of(self, pairs: Booleans) -> "Scores":
        """The scores of some of the pairs."""
        return Scores(self.sampled[pairs], self.mean)


def truth_rate(
    votes: Votes,
    sample: SampleWeights,
    scores: Scores | None = None,
    *,
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> TruthRate:
    """Estimates the truth rate.

    With scores the estimate is prediction-powered, tuned for the smallest variance (PPI++,
    Angelopoulos, Duchi and Zrnic 2023): the mean score of the sample tells how the sample differs
    from the version. As the scores of all pairs are known, this is the regression estimator of
    survey sampling. The bootstrap gives its slope, and so annotators' errors count here, too.

    Args:
        votes: Verdicts of class ``ACCEPTED`` or ``REJECTED``.
        sample: How the pairs were drawn.
        scores: Scores of the pairs.
        confidence: How often such intervals are to contain the truth.
        replicates: Number of bootstrap draws.
        seed: Seed of the draws.
    """
    reason = undetermined(votes, sample)
    if reason:
        return unknown_rate(votes, reason)
    votes, sample, there = judged(votes, sample)
    estimate = RateEstimate(votes, sample, scores and scores.of(there), confidence)
    (found,) = replicate(votes, sample, [estimate.statistic], replicates, seed)
    return estimate.result(*found)


def unknown_rate(votes: Votes, reason: str) -> TruthRate:
    """What is known of a rate that the verdicts do not determine."""
    verdicts = int(votes.sampled[votes.pair].sum())
    pairs = len(np.unique(votes.pair[votes.sampled[votes.pair]]))
    return TruthRate(None, None, pairs, verdicts, len(votes.pair) - verdicts, reason)


@dataclass(frozen=True)
class RateEstimate:
    """The truth rate as a figure of a bootstrap.

    Attributes:
        votes: Verdicts on judged pairs.
        sample: How they were drawn.
        scores: Their scores.
        confidence: How often the interval is to contain the truth.
    """

    votes: Votes
    sample: SampleWeights
    scores: Scores | None
    confidence: float

    def statistic(self, fitted: Fit, _: Patterns, weights: Floats) -> Floats:
        """The rate, how much better than chance annotators are, and the mean score."""
        rows = [fitted.prevalence[ACCEPTED], _better_than_chance(self.votes, fitted)]
        if self.scores is not None:
            own = weights * self.votes.sampled[:, None]
            rows.append((self.scores.sampled @ own) / own.sum(axis=0))
        return np.stack(rows)

    def result(self, figures: Floats, draws: Floats) -> TruthRate:
        """What the campaign's figures and those of its draws say."""
        if figures[1] < MIN_YOUDEN:
            reason = "annotators are hardly better than chance, so their verdicts tell no rate"
            return unknown_rate(self.votes, reason)
        size = effective_pairs(self.votes, self.sample)
        error = float(draws[0].std(ddof=1))
        plain = interval(float(figures[0]), error, size, self.confidence)
        powered = None
        if self.scores is not None:
            used = [0, 2]
            powered = _with_scores(
                figures[used], draws[used], self.scores.mean, size, self.confidence
            )
        known = unknown_rate(self.votes, "")
        return replace(known, interval=plain, with_scores=powered)


def undetermined(votes: Votes, sample: SampleWeights) -> str:
    """Why verdicts do not determine shares of true pairs; empty if they do."""
    counts = np.bincount(votes.pair, minlength=len(votes.truth))
    pairs = int((counts[votes.sampled] > 0).sum())
    if pairs < MIN_PAIRS:
        return f"{pairs} pairs have verdicts; an interval needs at least {MIN_PAIRS}"
    overlap = min(MIN_OVERLAP, (pairs + 1) // 2)
    answers = np.bincount(votes.truth[~votes.sampled], counts[~votes.sampled], minlength=2)
    if answers.min() < MIN_GOLD and (counts[votes.sampled] >= MIN_VERDICTS).sum() < overlap:
        return (
            f"annotators' errors cannot be told: {overlap} pairs need {MIN_VERDICTS} verdicts, or "
            f"gold pairs {MIN_GOLD} answers where they are aligned, and {MIN_GOLD} where not"
        )
    waiting = int(_awaited(votes, sample, counts).sum())
    if waiting > MAX_AWAITED * (pairs + waiting):
        return (
            f"{waiting} pairs wait for their first verdict; those that have one are not a fair "
            "sample of the others"
        )
    return ""


def _awaited(votes: Votes, sample: SampleWeights, counts: Integers) -> Booleans:
    """Pairs without verdicts, of strata that their judged pairs cannot stand for.

    These are strata without any, and those with unequal weights, which are not judged in random
    order but, say, from the borderline on.
    """
    lacking = votes.sampled & (counts == 0)
    unfair = np.zeros(len(counts), np.bool_)
    for stratum in np.unique(sample.strata[lacking]):
        own = votes.sampled & (sample.strata == stratum)
        unequal = np.ptp(sample.weights[own]) > 1e-9 * sample.weights[own].max()
        if unequal or not counts[own].any():
            unfair |= own
    return np.asarray(unfair & lacking)


def _better_than_chance(votes: Votes, fitted: Fit) -> Floats:
    """Youden's index of the annotators, on average over the verdicts."""
    index = fitted.confusion[:, ACCEPTED, ACCEPTED] + fitted.confusion[:, REJECTED, REJECTED] - 1
    given = np.bincount(votes.annotator, minlength=votes.annotators)
    return np.asarray(given @ index / given.sum())


def _with_scores(
    figures: Floats, draws: Floats, mean: float, pairs: float, confidence: float
) -> Interval:
    """The regression estimator: ``figures`` and ``draws`` hold truth rates and mean scores."""
    covariance = np.cov(draws)
    slope = covariance[0, 1] / covariance[1, 1] if covariance[1, 1] > 0 else 0.0
    estimate = float(np.clip(figures[0] - slope * (figures[1] - mean), *_INSIDE))
    left = float(covariance[0, 0] - slope * covariance[0, 1])
    # The scores are worth as many more pairs as they take from the variance.
    worth = pairs * covariance[0, 0] / left
    return interval(estimate, float(np.sqrt(left)), worth, confidence)
