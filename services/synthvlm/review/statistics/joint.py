"""The truth rate and the precision of thresholds from one bootstrap: its fits serve both."""

from synthvlm.review.statistics.bootstrap import (
    CONFIDENCE,
    REPLICATES,
    SampleWeights,
    judged,
    replicate,
)
from synthvlm.review.statistics.calibration import Curve, CurveEstimate
from synthvlm.review.statistics.dawid_skene import Votes
from synthvlm.review.statistics.truth_rate import (
    RateEstimate,
    Scores,
    TruthRate,
    undetermined,
    unknown_rate,
)


def rate_and_curve(
    votes: Votes,
    sample: SampleWeights,
    scores: Scores,
    *,
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[TruthRate, Curve]:
    """What ``truth_rate`` and ``precision_curve`` give with the same arguments."""
    reason = undetermined(votes, sample)
    if reason:
        return unknown_rate(votes, reason), Curve((), reason)
    votes, sample, there = judged(votes, sample)
    own = scores.of(there)
    rate = RateEstimate(votes, sample, own, confidence)
    curve = CurveEstimate.of(votes, sample, own.sampled, None, confidence)
    both = [rate.statistic, curve.statistic]
    of_rate, of_curve = replicate(votes, sample, both, replicates, seed)
    return rate.result(*of_rate), curve.result(*of_curve)
