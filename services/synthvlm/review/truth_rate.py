"""The truth rate of a version: the share of its pairs that are aligned, with an interval.

Annotators err, and so the share of pairs that most of them accept is not the truth rate; nor does
Wilson's interval around it contain the truth as often as it says. The estimate here is the
prevalence of Dawid and Skene's model with gold pairs and sampling weights, the interval that of a
bootstrap over pairs.
``docs/review-statistics.md`` has measured how often such intervals contain the truth.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from synthvlm.review.bootstrap import (
    CONFIDENCE,
    REPLICATES,
    Interval,
    Sample,
    effective_pairs,
    interval,
    replicate,
)
from synthvlm.review.dawid_skene import Fit, Floats, Integers, Votes

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


def truth_rate(
    votes: Votes,
    sample: Sample,
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
    votes, sample, scores = _judged(votes, sample, scores)
    on_gold = ~votes.sampled[votes.pair]
    answers = np.bincount(votes.truth[votes.pair[on_gold]], minlength=2)
    each = np.bincount(votes.pair, minlength=len(votes.truth))[votes.sampled]
    pairs, verdicts = len(each), int(each.sum())
    reason = _reason(pairs, each, answers)
    if reason:
        return TruthRate(None, None, pairs, verdicts, int(answers.sum()), reason)

    def statistic(fitted: Fit, weights: Floats) -> Floats:
        rate: Floats = fitted.prevalence[ACCEPTED]
        if scores is None:
            return rate[None, :]
        own = weights * votes.sampled[:, None]
        return np.stack([rate, (scores.sampled @ own) / own.sum(axis=0)])

    figures, draws = replicate(votes, sample, statistic, replicates, seed)
    size = effective_pairs(votes, sample)
    plain = interval(float(figures[0]), float(draws[0].std(ddof=1)), size, confidence)
    powered = None
    if scores is not None:
        powered = _with_scores(figures, draws, scores.mean, size, confidence)
    return TruthRate(plain, powered, pairs, verdicts, int(answers.sum()))


def _judged(
    votes: Votes, sample: Sample, scores: Scores | None
) -> tuple[Votes, Sample, Scores | None]:
    """The pairs with verdicts; they stand for the whole of their stratum."""
    judged = np.bincount(votes.pair, minlength=len(votes.truth)) > 0
    strata = np.where(votes.sampled, sample.strata, sample.strata.max(initial=0) + 1)
    drawn = np.bincount(strata, sample.weights)
    there = np.bincount(strata, sample.weights * judged, minlength=len(drawn))
    weights = (
        sample.weights * np.divide(drawn, there, out=np.ones_like(drawn), where=there > 0)[strata]
    )
    votes = Votes(
        pair=np.cumsum(judged)[votes.pair] - 1,
        annotator=votes.annotator,
        label=votes.label,
        truth=votes.truth[judged],
        sampled=votes.sampled[judged],
        annotators=votes.annotators,
    )
    if scores is not None:
        scores = Scores(scores.sampled[judged], scores.mean)
    return votes, Sample(weights[judged], sample.strata[judged]), scores


def _reason(pairs: int, verdicts: Integers, gold_answers: Integers) -> str:
    """Why verdicts do not determine a truth rate; empty if they do.

    Args:
        pairs: Number of judged pairs of the sample.
        verdicts: Number of verdicts on each.
        gold_answers: Number of answers to gold pairs of each class.
    """
    if pairs < MIN_PAIRS:
        return f"{pairs} pairs have verdicts; an interval needs at least {MIN_PAIRS}"
    overlap = min(MIN_OVERLAP, (pairs + 1) // 2)
    if gold_answers.min() < MIN_GOLD and (verdicts >= MIN_VERDICTS).sum() < overlap:
        return (
            f"annotators' errors cannot be told: {overlap} pairs need {MIN_VERDICTS} verdicts, or "
            f"gold pairs {MIN_GOLD} answers where they are aligned, and {MIN_GOLD} where not"
        )
    return ""


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
