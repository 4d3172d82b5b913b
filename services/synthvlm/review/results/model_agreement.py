"""How far a model's verdicts agree with those of people.

A model judges the same pairs under a name of its own. Its verdicts are told apart from those of
people everywhere and enter no truth rate.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from synthvlm.review.results.judged import GivenVerdict
from synthvlm.review.statistics.agreement import Agreement, krippendorff_alpha


def agreement_with_people(
    model: Sequence[GivenVerdict], people: Sequence[GivenVerdict]
) -> Agreement:
    """Krippendorff's alpha (ordinal) between a model's alignment and that of people.

    People count as one annotator, who says of a pair what the middle one of them says; of two in
    the middle, the worse.
    """
    said: defaultdict[int, list[int]] = defaultdict(list)
    for one in people:
        if one.verdict.alignment is not None:
            said[one.pair].append(one.verdict.alignment)
    both = [
        (one.verdict.alignment, sorted(said[one.pair])[len(said[one.pair]) // 2])
        for one in model
        if one.verdict.alignment is not None and said[one.pair]
    ]
    return krippendorff_alpha(np.array(both, np.float64).reshape(-1, 2), "ordinal")
