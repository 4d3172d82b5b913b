"""Leases: nobody gets what somebody else has, and nothing is lost when they expire."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from synthvlm.errors import PreconditionFailed
from synthvlm.review.campaigns.drafts import GoldQuestion
from synthvlm.review.campaigns.views import Entry, Outcome
from synthvlm.review.people import Person, Role
from synthvlm.review.verdicts import Alignment
from synthvlm.storage import open_shard
from synthvlm.storage.schemas import SELECTION, SELECTION_FILE
from tests.review.campaign import ANN, BOB, CEM, NO, OWNER, YES, Room


def ids(room: Room, person: Person, campaign: str, count: int) -> list[int]:
    return [pair.pair_id for pair in room.reviews.lease(person, campaign, count).pairs]


def test_asking_again_gives_the_same_pairs_and_as_many_more(room: Room) -> None:
    campaign = room.campaign().campaign_id
    first = ids(room, ANN, campaign, 3)
    assert len(set(first)) == 3
    assert ids(room, ANN, campaign, 3) == first
    assert ids(room, ANN, campaign, 5)[:3] == first


def test_each_verdict_is_leased_once_and_each_pair_to_different_people(room: Room) -> None:
    campaign = room.campaign().campaign_id
    with ThreadPoolExecutor(6) as pool:
        people = [Person(f"p{number}", Role.ANNOTATOR) for number in range(6)]
        leased = list(pool.map(lambda one: ids(room, one, campaign, 5), people))
    assert all(len(set(own)) == len(own) for own in leased)
    # Ten pairs, two verdicts each: all twenty are given out, none of them twice.
    assert Counter(Counter(pair for own in leased for pair in own).values()) == {2: 10}
    assert ids(room, CEM, campaign, 5) == []


def test_two_calls_of_one_person_at_once_take_no_pair_twice(room: Room) -> None:
    campaign = room.campaign().campaign_id
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ids(room, ANN, campaign, 4), range(4)))
    assert all(answer == answers[0] for answer in answers)


def test_an_expired_lease_goes_to_somebody_else(room: Room) -> None:
    campaign = room.campaign(sample_size=4, verdicts_per_pair=1, lease_seconds=60).campaign_id
    mine = ids(room, ANN, campaign, 4)
    assert ids(room, BOB, campaign, 4) == []
    room.clock.now += 59
    assert ids(room, BOB, campaign, 4) == []
    room.clock.now += 1
    assert sorted(ids(room, BOB, campaign, 4)) == sorted(mine)
    assert ids(room, ANN, campaign, 4) == []


def test_an_expired_lease_stays_while_nobody_wants_it(room: Room) -> None:
    campaign = room.campaign(sample_size=4, verdicts_per_pair=1, lease_seconds=60).campaign_id
    mine = ids(room, ANN, campaign, 4)
    room.clock.now += 3_600
    assert ids(room, ANN, campaign, 4) == mine
    # The call has renewed it.
    assert ids(room, BOB, campaign, 4) == []


def test_a_verdict_that_comes_after_the_lease_was_lost_is_kept(room: Room) -> None:
    campaign = room.campaign(sample_size=1, verdicts_per_pair=1, lease_seconds=60).campaign_id
    (pair,) = ids(room, ANN, campaign, 1)
    room.clock.now += 60
    assert ids(room, BOB, campaign, 1) == [pair]
    late = room.reviews.submit(ANN, campaign, [Entry(pair, "late", NO)])
    assert late.outcomes == [Outcome.RECORDED]
    assert room.judge(BOB, campaign) == 1
    people = room.reviews.progress(OWNER, campaign).annotators
    assert {one.annotator: one.verdicts for one in people} == {"ann": 1, "bob": 1}
    # One was wanted: the other is one more.
    assert room.reviews.campaign(OWNER, campaign).done == 1


def test_a_late_verdict_fills_a_place_that_is_free_again(room: Room) -> None:
    campaign = room.campaign(sample_size=1, verdicts_per_pair=1, lease_seconds=60).campaign_id
    (pair,) = ids(room, ANN, campaign, 1)
    room.clock.now += 60
    ids(room, BOB, campaign, 1)
    assert room.reviews.skip(BOB, campaign, [pair]) == 1
    room.reviews.submit(ANN, campaign, [Entry(pair, "late", YES)])
    assert room.reviews.campaign(OWNER, campaign).done == 1
    assert ids(room, CEM, campaign, 1) == []


def test_what_was_skipped_goes_to_others_and_never_comes_back(room: Room) -> None:
    campaign = room.campaign(sample_size=3, verdicts_per_pair=1).campaign_id
    first, *_ = ids(room, ANN, campaign, 1)
    assert room.reviews.skip(ANN, campaign, [first, first + 10_000]) == 1
    assert first not in ids(room, ANN, campaign, 3)
    assert ids(room, BOB, campaign, 3) == [first]


def test_a_closed_campaign_leases_nothing_and_takes_what_is_leased(room: Room) -> None:
    campaign = room.campaign().campaign_id
    pair, other = ids(room, ANN, campaign, 2)
    room.reviews.close_campaign(OWNER, campaign)
    assert ids(room, ANN, campaign, 10) == [pair, other]
    with pytest.raises(PreconditionFailed, match="is closed"):
        room.reviews.lease(BOB, campaign, 1)
    assert room.reviews.submit(ANN, campaign, [Entry(pair, "r", YES)]).judged == 1
    room.reviews.open(OWNER, campaign)
    assert len(ids(room, BOB, campaign, 1)) == 1


def test_a_model_judges_every_pair_and_takes_nobodys_place(room: Room) -> None:
    campaign = room.campaign(sample_size=5, verdicts_per_pair=1).campaign_id
    model = Person("oracle", Role.MODEL)
    assert room.judge(model, campaign, YES, 10) == 5
    assert room.judge(ANN, campaign, YES, 10) == 5
    view = room.reviews.progress(OWNER, campaign)
    assert {one.annotator: (one.is_model, one.verdicts) for one in view.annotators} == {
        "oracle": (True, 5),
        "ann": (False, 5),
    }
    assert view.disagreements == 0


def test_gold_questions_are_hidden_among_the_others(small_room: Room) -> None:
    shard = open_shard(small_room.store, small_room.selection)
    images = shard.table(SELECTION_FILE, SELECTION)["image_id"].to_pylist()
    gold = [
        GoldQuestion(image, Alignment.NO, "quite another caption") for image in sorted(images)[:5]
    ]
    campaign = small_room.campaign(
        sample_size=30, verdicts_per_pair=3, gold=gold, gold_share=0.2
    ).campaign_id
    for person in (ANN, BOB):
        assert small_room.judge(person, campaign, YES, 100) in range(31, 36)
    done = {one.annotator: one for one in small_room.reviews.progress(OWNER, campaign).annotators}
    for person in (ANN, BOB):
        one = done[person.name]
        assert one.verdicts == 30
        assert 1 <= one.gold_answered <= 5
        assert one.gold_right == 0
    # What would tell them apart is told to owners only.
    assert small_room.reviews.campaign(OWNER, campaign).design.gold_share == 0.2
    assert small_room.reviews.campaign(ANN, campaign).design.gold_share == 0


def test_gold_questions_never_come_alone(small_room: Room) -> None:
    shard = open_shard(small_room.store, small_room.selection)
    images = shard.table(SELECTION_FILE, SELECTION)["image_id"].to_pylist()
    gold = [GoldQuestion(image, Alignment.YES) for image in images[:20]]
    campaign = small_room.campaign(
        sample_size=2, verdicts_per_pair=1, gold=gold, gold_share=0.5
    ).campaign_id
    small_room.judge(BOB, campaign, YES, 100)
    assert small_room.reviews.campaign(OWNER, campaign).done == 2
    assert ids(small_room, ANN, campaign, 10) == []
