"""A model's verdicts beside those of people.

A model judges the same pairs under a name of its own. Its verdicts are told apart from those of
people everywhere and enter no truth rate: what is reported is how far it agrees with people.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from synthvlm.review.agreement import Agreement, krippendorff_alpha
from synthvlm.review.judged import GivenVerdict
from synthvlm.review.models import NAME_LENGTH
from synthvlm.review.verdicts import Verdict


class SecondOpinion(Protocol):
    """A model that judges pairs."""

    @property
    def name(self) -> str:
        """The name under which its verdicts are recorded."""

    def judge(self, image: bytes, media_type: str, caption: str) -> Verdict:
        """Judges a pair.

        Args:
            image: The encoded image.
            media_type: ``image/jpeg``, ``image/png`` or ``image/webp``.
            caption: The caption.

        Raises:
            InvalidInput: The model does not judge this pair, nor will it if it is asked again.
            Unavailable: The model cannot answer now.
        """


def as_name(text: str) -> str:
    """``text`` as the name of an annotator, in fewer characters: ``org-7b`` for ``org/7b``."""
    return re.sub("[^A-Za-z0-9._@-]", "-", text).lstrip("-._@")[:NAME_LENGTH] or "model"


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
