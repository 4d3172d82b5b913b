"""How often one set of images is preferred to another, as a share with an interval."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from synthvlm.review.bootstrap import CONFIDENCE, Interval, interval
from synthvlm.review.judged import GivenVerdict, JudgedPair
from synthvlm.review.verdicts import Preference

_WORTH: Final = {Preference.LEFT: 1.0, Preference.RIGHT: 0.0, Preference.EQUAL: 0.5}


def preference_rate(
    pairs: Sequence[JudgedPair],
    given: Sequence[GivenVerdict],
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """The share of pairs in which the source, on the left, is preferred; a tie counts half.

    A preference is a taste and not an error, so the verdicts on a pair are averaged, and the
    interval counts how much pairs differ. None with fewer than two judged pairs.
    """
    worth: defaultdict[int, list[float]] = defaultdict(list)
    for one in given:
        if one.verdict.preference is not None:
            worth[one.pair].append(_WORTH[one.verdict.preference])
    judged = [pair for pair in pairs if worth[pair.pair]]
    if len(judged) < 2:
        return None
    weights = 1 / np.array([pair.inclusion for pair in judged])
    weights /= weights.mean()
    means = np.array([float(np.mean(worth[pair.pair])) for pair in judged])
    # Jeffreys' prior keeps a unanimous share off the ends of the scale.
    share = float((weights @ means + 0.5) / (len(judged) + 1))
    variance = float((weights**2 @ (means - share) ** 2) / (len(judged) * (len(judged) - 1)))
    return interval(share, variance**0.5, len(judged) / float((weights**2).mean()), confidence)
