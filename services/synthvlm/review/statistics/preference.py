"""How often one set of images is preferred to another, as a share with an interval."""

from synthvlm.review.statistics.bootstrap import CONFIDENCE, Interval, interval
from synthvlm.review.statistics.dawid_skene import Floats


def preference_rate(
    means: Floats, weights: Floats, confidence: float = CONFIDENCE
) -> Interval | None:
    """The share of pairs in which one side is preferred.

    A preference is a taste and not an error, so the verdicts on a pair are averaged, and the
    interval counts how much pairs differ.

    Args:
        means: For each judged pair, the mean of its verdicts: 1 where all prefer that side.
        weights: How many pairs each of them stands for, up to a common factor.
        confidence: How often such intervals are to contain the truth.

    Returns:
        The share; None with fewer than two judged pairs.
    """
    pairs = len(means)
    if pairs < 2:
        return None
    weights = weights / weights.mean()
    # Jeffreys' prior keeps a unanimous share off the ends of the scale.
    share = float((weights @ means + 0.5) / (pairs + 1))
    variance = float((weights**2 @ (means - share) ** 2) / (pairs * (pairs - 1)))
    return interval(share, variance**0.5, pairs / float((weights**2).mean()), confidence)
