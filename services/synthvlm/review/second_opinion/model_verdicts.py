"""Has a model judge the pairs of a campaign, as an annotator of its own that counts as nobody.

A model leases pairs, judges them and submits its verdicts as people do, so that it goes on where it
was stopped, and keeps what it has judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from synthvlm.errors import DataCorrupt, InvalidInput, NotFound, PreconditionFailed
from synthvlm.review.campaigns.views import Entry, ShownPair
from synthvlm.review.people import Person, Role
from synthvlm.review.reviews import Reviews
from synthvlm.review.second_opinion.opinion import SecondOpinion
from synthvlm.review.verdicts import Side

_AT_ONCE: Final = 8
"""Pairs that are leased at once: what a kill leaves to be judged again."""


@dataclass(frozen=True)
class Judged:
    """What a model has done.

    Attributes:
        judged: Pairs with a verdict now that had none.
        refused: Pairs that the model does not judge, or whose image is damaged; they are skipped.
        reason: Why it refused the first of them; empty: it refused none.
    """

    judged: int
    refused: int
    reason: str


def judge_campaign(
    reviews: Reviews,
    campaign_id: str,
    model: SecondOpinion,
    is_wanted: Callable[[int], bool] = lambda _: True,
) -> Judged:
    """Has a model judge all pairs of an open campaign that it has not judged yet.

    Args:
        reviews: The campaigns.
        campaign_id: Of which campaign; one in which images are judged one by one.
        model: The model.
        is_wanted: Called with the number of pairs done after each few; False stops.

    Raises:
        InvalidInput: Two images are compared in the campaign.
        PreconditionFailed: The campaign is not open.
        Unavailable: The model cannot answer now; what it has judged stays.
    """
    person = Person(model.name, Role.MODEL)
    if reviews.campaign(person, campaign_id).compared is not None:
        raise InvalidInput("a model gives no second opinion where two images are compared")
    judged = refused = 0
    reason = ""
    while is_wanted(judged + refused):
        pairs = reviews.lease(person, campaign_id, _AT_ONCE).pairs
        if not pairs:
            break
        for pair in pairs:
            try:
                entry = _entry(reviews, person, campaign_id, pair, model)
            except InvalidInput as error:
                reviews.skip(person, campaign_id, [pair.pair_id])
                refused, reason = refused + 1, reason or error.message
                continue
            reviews.submit(person, campaign_id, [entry])
            judged += 1
    return Judged(judged, refused, reason)


def _entry(
    reviews: Reviews, person: Person, campaign_id: str, pair: ShownPair, model: SecondOpinion
) -> Entry:
    try:
        image = reviews.image(person, campaign_id, pair.pair_id, Side.LEFT)
    except (DataCorrupt, NotFound, PreconditionFailed) as error:
        raise InvalidInput(f"the image cannot be shown: {error.message}") from error
    verdict = model.judge(image.data, image.media_type, pair.caption)
    # If two processes judge a pair at once, what the second one records stands.
    return Entry(pair.pair_id, uuid4().hex, verdict)
