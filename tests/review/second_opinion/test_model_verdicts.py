"""A model that judges the pairs of a campaign."""

import pytest

from synthvlm.errors import DataCorrupt, InvalidInput, PreconditionFailed, Unavailable
from synthvlm.review.campaigns.views import Entry
from synthvlm.review.people import Person, Role
from synthvlm.review.second_opinion.model_verdicts import judge_campaign
from synthvlm.review.verdicts import Alignment, Verdict
from tests.review.campaign import ANN, BOB, NO, OWNER, YES, Room, other_images


class Model:
    """Says no of captions that end in an even digit; may refuse one, and fail once."""

    name = "judge"

    def __init__(self, refuses="", fails_after=None):
        self.seen = []
        self.refuses, self.fails_after = refuses, fails_after

    def judge(self, image, media_type, caption):
        if len(self.seen) == self.fails_after:
            self.fails_after = None
            raise Unavailable("busy", 1.0)
        assert image
        assert media_type.startswith("image/")
        if caption == self.refuses:
            raise InvalidInput("cannot judge this")
        self.seen.append(caption)
        return Verdict(Alignment.YES if int(caption.split()[1]) % 2 else Alignment.NO)


def test_a_model_judges_each_pair_once_and_counts_as_nobody(small_room: Room) -> None:
    campaign = small_room.campaign(sample_size=20).campaign_id
    model = Model()
    found = judge_campaign(small_room.reviews, campaign, model)
    assert (found.judged, found.refused) == (20, 0)
    assert len(set(model.seen)) == 20
    assert judge_campaign(small_room.reviews, campaign, model).judged == 0
    assert small_room.reviews.campaign(OWNER, campaign).done == 0
    figures = small_room.reviews.statistics(OWNER, campaign)
    assert figures.judged_pairs == 0
    assert list(figures.models) == ["judge"]


def test_its_agreement_with_people_is_reported(small_room: Room) -> None:
    campaign = small_room.campaign(sample_size=20).campaign_id
    judge_campaign(small_room.reviews, campaign, Model())
    mine = small_room.reviews.mine(Person("judge", Role.MODEL), campaign, 20)
    said = {one.pair.pair_id: one.verdict for one in mine}
    for person in (ANN, BOB):
        for _ in range(20):
            pair = small_room.reviews.lease(person, campaign, 1).pairs[0].pair_id
            verdict = YES if said[pair].alignment is Alignment.YES else NO
            small_room.reviews.submit(
                person, campaign, [Entry(pair, f"{person.name}-{pair}", verdict)]
            )
    figures = small_room.reviews.statistics(OWNER, campaign)
    assert figures.models["judge"].value == 1
    assert figures.judged_pairs == 20
    assert sum(figures.verdicts.values()) == 40


def test_what_it_has_judged_stays_when_it_fails_and_it_goes_on_from_there(small_room: Room) -> None:
    campaign = small_room.campaign(sample_size=20).campaign_id
    model = Model(fails_after=11)
    with pytest.raises(Unavailable, match="busy"):
        judge_campaign(small_room.reviews, campaign, model)
    assert judge_campaign(small_room.reviews, campaign, model).judged == 9
    assert len(set(model.seen)) == len(model.seen) == 20


def test_a_pair_that_it_refuses_is_skipped_and_said(small_room: Room) -> None:
    campaign = small_room.campaign(sample_size=40).campaign_id
    found = judge_campaign(small_room.reviews, campaign, Model(refuses="caption 7 of shard 0"))
    assert (found.judged, found.refused, found.reason) == (39, 1, "cannot judge this")


def test_a_pair_whose_image_is_gone_is_skipped(small_room: Room, monkeypatch) -> None:
    campaign = small_room.campaign(sample_size=10).campaign_id
    gone: list[object] = []

    def image(*arguments):
        if not gone:
            gone.append(arguments)
            raise DataCorrupt("it is gone")
        return whole(*arguments)

    whole = small_room.reviews.image
    monkeypatch.setattr(small_room.reviews, "image", image)
    found = judge_campaign(small_room.reviews, campaign, Model())
    assert (found.judged, found.refused) == (9, 1)
    assert found.reason == "the image cannot be shown: it is gone"


def test_it_stops_when_it_is_told_to(small_room: Room) -> None:
    campaign = small_room.campaign(sample_size=40).campaign_id
    found = judge_campaign(small_room.reviews, campaign, Model(), lambda done: done < 10)
    assert 10 <= found.judged < 20


def test_comparisons_and_closed_campaigns_are_refused(small_room: Room) -> None:
    compared = small_room.campaign(compared=other_images(small_room.store)).campaign_id
    with pytest.raises(InvalidInput, match="two images are compared"):
        judge_campaign(small_room.reviews, compared, Model())
    closed = small_room.campaign().campaign_id
    small_room.reviews.close_campaign(OWNER, closed)
    with pytest.raises(PreconditionFailed):
        judge_campaign(small_room.reviews, closed, Model())
