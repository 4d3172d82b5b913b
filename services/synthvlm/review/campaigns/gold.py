"""When an annotator is asked a gold question, and which: at random, and not to be foreseen."""

import hashlib
from collections.abc import Sequence

from synthvlm.review.sampling.design import CampaignDesign

_SCALE = 2**64


def is_due(design: CampaignDesign, campaign_id: str, annotator: str, turn: int) -> bool:
    """Whether what an annotator is shown at their ``turn`` (from 0) should be a gold question."""
    if not design.gold_share:
        return False
    return _draw(design, campaign_id, annotator, str(turn)) < design.gold_share * _SCALE


def shuffled(
    design: CampaignDesign, campaign_id: str, annotator: str, questions: Sequence[int]
) -> list[int]:
    """Gold questions in an annotator's own order: nobody can tell others which they are."""
    return sorted(questions, key=lambda pair: _draw(design, campaign_id, annotator, f"pair {pair}"))


def _draw(design: CampaignDesign, *words: str) -> int:
    text = "\n".join((str(design.seed), *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
