"""Verdicts: recorded once however often they are sent, added to and never replaced."""

import pytest
from sqlalchemy import select

from synthvlm.errors import InvalidInput, NotFound, PermissionDenied, PreconditionFailed
from synthvlm.review.campaigns.models import Verdict as Row
from synthvlm.review.campaigns.views import Entry, Outcome
from synthvlm.review.people import Person, Role
from synthvlm.review.verdicts import Alignment, Preference, Reason, Side, Verdict
from tests.review.campaign import ANN, BOB, NO, OWNER, PARTLY, YES, Room, other_images

FULL = Verdict(Alignment.NO, frozenset({Reason.COLOUR, Reason.COUNT}), 2, None, "a blue one")
ADA = Person("ada", Role.ADJUDICATOR)


def rows(room: Room) -> list[tuple[str, bool]]:
    with room.database.session() as session:
        query = select(Row.request_id, Row.retracted).order_by(Row.id)
        return [(row.request_id, row.retracted) for row in session.execute(query)]


def test_a_verdict_that_is_sent_again_is_recorded_once(room: Room) -> None:
    campaign = room.campaign().campaign_id
    (pair,) = room.reviews.lease(ANN, campaign, 1).pairs
    entry = Entry(pair.pair_id, "r1", FULL, 1_200)
    first = room.reviews.submit(ANN, campaign, [entry, entry])
    assert first.outcomes == [Outcome.RECORDED, Outcome.RECORDED_BEFORE]
    again = room.reviews.submit(ANN, campaign, [entry])
    assert (again.outcomes, again.judged) == ([Outcome.RECORDED_BEFORE], 1)
    assert rows(room) == [("r1", False)]
    with pytest.raises(InvalidInput, match=r"verdicts\[0\].request_id was used"):
        room.reviews.submit(ANN, campaign, [Entry(pair.pair_id, "r1", YES)])


def test_a_change_and_an_undo_are_new_entries(small_room: Room) -> None:
    room = small_room
    campaign = room.campaign().campaign_id
    (pair,) = room.reviews.lease(ANN, campaign, 1).pairs
    key = pair.pair_id
    room.reviews.submit(ANN, campaign, [Entry(key, "r1", FULL)])
    room.reviews.submit(ANN, campaign, [Entry(key, "r2", PARTLY)])
    (mine,) = room.reviews.mine(ANN, campaign, 10)
    assert (mine.pair, mine.verdict) == (pair, PARTLY)
    undone = room.reviews.submit(ANN, campaign, [Entry(key, "r3", None)])
    assert (undone.outcomes, undone.judged) == ([Outcome.RECORDED], 0)
    assert room.reviews.mine(ANN, campaign, 10) == []
    # It is theirs again, and there is nothing more to take back.
    assert room.reviews.lease(ANN, campaign, 1).pairs == [pair]
    assert room.reviews.submit(ANN, campaign, [Entry(key, "r4", None)]).outcomes == [
        Outcome.REFUSED
    ]
    assert rows(room) == [("r1", False), ("r2", False), ("r3", True)]


def test_what_was_never_leased_is_refused_and_the_rest_is_kept(small_room: Room) -> None:
    campaign = small_room.campaign().campaign_id
    (pair,) = small_room.reviews.lease(ANN, campaign, 1).pairs
    entries = [Entry(pair.pair_id + 1_000, "r1", YES), Entry(pair.pair_id, "r2", YES)]
    done = small_room.reviews.submit(ANN, campaign, entries)
    assert done.outcomes == [Outcome.REFUSED, Outcome.RECORDED]
    # Nor does somebody else's lease help.
    assert small_room.reviews.submit(BOB, campaign, [Entry(pair.pair_id, "r", YES)]).outcomes == [
        Outcome.REFUSED
    ]


def test_the_last_verdicts_come_first_and_by_pages(small_room: Room) -> None:
    campaign = small_room.campaign().campaign_id
    small_room.judge(ANN, campaign, YES, 7)
    first = small_room.reviews.mine(ANN, campaign, 4)
    rest = small_room.reviews.mine(ANN, campaign, 4, first[-1].row)
    listed = [one.row for one in [*first, *rest]]
    assert len(listed) == 7
    assert listed == sorted(listed, reverse=True)


def test_disagreements_are_settled_by_an_adjudicator(room: Room) -> None:
    campaign = room.campaign(sample_size=3).campaign_id
    room.judge(ANN, campaign, YES, 3)
    room.judge(BOB, campaign, NO, 3)
    found = room.reviews.disagreements(ADA, campaign, 0, 2)
    assert [one.verdicts for one in found] == [{"ann": YES, "bob": NO}] * 2
    assert len(room.reviews.disagreements(ADA, campaign, found[-1].row, 2)) == 1
    pair = found[0].pair.pair_id
    for wanted in (Outcome.RECORDED, Outcome.RECORDED_BEFORE):
        assert room.reviews.adjudicate(ADA, campaign, pair, "a1", FULL) == wanted
    assert room.reviews.adjudicate(ADA, campaign, pair, "a2", NO) == Outcome.RECORDED
    assert pair not in [one.pair.pair_id for one in room.reviews.disagreements(ADA, campaign, 0, 9)]
    settled = room.reviews.disagreements(ADA, campaign, 0, 9, settled=True)
    assert {one.pair.pair_id: one.decision for one in settled}[pair] == NO
    view = room.reviews.progress(OWNER, campaign)
    assert (view.disagreements, view.settled, view.complete_pairs) == (3, 1, 3)
    with pytest.raises(NotFound, match="has no pair 999999 to settle"):
        room.reviews.adjudicate(ADA, campaign, 999_999, "a3", NO)


def test_roles_bound_what_somebody_may_do(small_room: Room) -> None:
    campaign = small_room.campaign().campaign_id
    with pytest.raises(PermissionDenied, match="takes one of the role adjudicator"):
        small_room.reviews.disagreements(ANN, campaign, 0, 10)
    with pytest.raises(PermissionDenied, match="takes one of the role owner"):
        small_room.reviews.progress(ADA, campaign)
    with pytest.raises(PermissionDenied, match="takes one of the role owner"):
        small_room.reviews.close_campaign(ANN, campaign)


def test_a_finished_campaign_takes_no_verdict(small_room: Room) -> None:
    campaign = small_room.campaign().campaign_id
    leased = small_room.reviews.lease(ANN, campaign, 2).pairs
    small_room.judge(ANN, campaign)
    small_room.reviews.close_campaign(OWNER, campaign)
    small_room.reviews.finish(OWNER, campaign)
    with pytest.raises(PreconditionFailed, match="is finished"):
        small_room.reviews.submit(OWNER, campaign, [Entry(leased[1].pair_id, "r", YES)])
    with pytest.raises(NotFound):
        small_room.reviews.campaign(ANN, campaign)


def test_a_preference_is_recorded_for_the_source_wherever_it_was_shown(room: Room) -> None:
    other = other_images(room.store)
    campaign = room.campaign(compared=other, sample_size=20, verdicts_per_pair=1).campaign_id
    leased = room.reviews.lease(ANN, campaign, 20).pairs
    for pair in leased:
        assert pair.right is not None
        left = room.reviews.image(ANN, campaign, pair.pair_id, Side.LEFT)
        right = room.reviews.image(ANN, campaign, pair.pair_id, Side.RIGHT)
        assert (left.digest, right.digest) == (pair.image.digest, pair.right.digest)
        verdict = Verdict(preference=Preference.LEFT)
        room.reviews.submit(ANN, campaign, [Entry(pair.pair_id, f"r{pair.pair_id}", verdict)])
    assert all(
        one.verdict.preference is Preference.LEFT for one in room.reviews.mine(ANN, campaign, 50)
    )
    # Sides are drawn, so always LEFT is sometimes for the source and sometimes for the other.
    counts = room.reviews.statistics(OWNER, campaign).verdicts
    assert set(counts) == {"left", "right"}
    with pytest.raises(InvalidInput, match=r"preference is required"):
        room.reviews.submit(ANN, campaign, [Entry(leased[0].pair_id, "r", YES)])
