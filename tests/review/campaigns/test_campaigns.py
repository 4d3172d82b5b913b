"""Campaigns: made once, listed by pages, finished as a ReviewSet."""

import pytest

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.progress import SILENT
from synthvlm.review.campaigns.drafts import GoldQuestion
from synthvlm.review.campaigns.models import CampaignState
from synthvlm.review.campaigns.views import Entry
from synthvlm.review.people import Person, Role
from synthvlm.review.reviews import Reviews
from synthvlm.review.verdicts import Alignment, Side
from synthvlm.storage import open_shard, sha256_digest
from synthvlm.storage.schemas import (
    REVIEWED,
    REVIEWED_FILE,
    SELECTION,
    SELECTION_FILE,
    VERDICTS,
    VERDICTS_FILE,
)
from tests.review.campaign import ANN, BOB, NO, OWNER, YES, Room


def test_the_same_request_id_makes_one_campaign(room: Room) -> None:
    first = room.campaign(request_id="r1")
    assert room.campaign(request_id="r1") == first
    with pytest.raises(InvalidInput, match="request_id was used for another campaign"):
        room.campaign(request_id="r1", sample_size=11)
    assert len(room.reviews.campaigns(OWNER)) == 1


def test_campaigns_are_listed_newest_first_and_annotators_see_those_to_judge(room: Room) -> None:
    made = [room.campaign(title=f"no. {number}") for number in range(3)]
    room.reviews.close_campaign(OWNER, made[0].campaign_id)
    listed = room.reviews.campaigns(OWNER, None, 2)
    assert [one.campaign_id for one in listed] == [made[2].campaign_id, made[1].campaign_id]
    (last,) = room.reviews.campaigns(OWNER, listed[-1].row, 2)
    assert (last.campaign_id, last.state) == (made[0].campaign_id, CampaignState.CLOSED)
    assert len(room.reviews.campaigns(ANN)) == 3


def test_a_smaller_source_is_judged_whole(small_room: Room) -> None:
    view = small_room.campaign(sample_size=1_000, verdicts_per_pair=3, overlap=0.25)
    assert (view.pairs, view.wanted) == (40, 10 * 3 + 30)


def test_a_version_can_be_judged_like_a_selection(small_room: Room) -> None:
    request = AssemblyRequest(small_room.selection, "shapes", 16)
    version = assemble(small_room.store, request, SILENT).ref
    made = Room(small_room.store, version, small_room.database, small_room.clock).campaign()
    (pair,) = small_room.reviews.lease(ANN, made.campaign_id, 1).pairs
    image = small_room.reviews.image(ANN, made.campaign_id, pair.pair_id, Side.LEFT)
    assert sha256_digest(image.data) == image.digest == pair.image.digest


@pytest.mark.parametrize(
    ("gold", "problem"),
    [("unknown", r"gold\[0\].image_id unknown is not in the source"), ("all", "names every pair")],
)
def test_gold_questions_must_be_of_the_source_and_not_all_of_it(
    small_room: Room, gold: str, problem: str
) -> None:
    shard = open_shard(small_room.store, small_room.selection)
    images = shard.table(SELECTION_FILE, SELECTION)["image_id"].to_pylist()
    names = [gold] if gold == "unknown" else images
    questions = [GoldQuestion(name, Alignment.YES) for name in names]
    with pytest.raises(InvalidInput, match=problem):
        small_room.campaign(gold=questions, gold_share=0.1)


def test_what_is_no_selection_cannot_be_judged(small_room: Room) -> None:
    details = open_shard(small_room.store, small_room.selection).manifest.details["index"]
    digest = open_shard(small_room.store, small_room.selection).manifest.inputs["index"]
    index = type(small_room.selection)(details["path"], digest, details["records"])
    with pytest.raises(InvalidInput, match="not a selection, a dataset version or a real set"):
        Room(small_room.store, index, small_room.database).campaign()


def test_a_finished_campaign_is_a_review_set(room: Room) -> None:
    campaign = room.campaign(sample_size=30).campaign_id
    with pytest.raises(PreconditionFailed, match="close it first"):
        room.reviews.finish(OWNER, campaign)
    room.judge(ANN, campaign, YES, 30)
    room.judge(BOB, campaign, YES, 26)
    room.judge(BOB, campaign, NO, 4)
    room.judge(Person("oracle", Role.MODEL), campaign, NO, 30)
    undone = room.reviews.mine(ANN, campaign, 1)[0].pair.pair_id
    room.reviews.submit(ANN, campaign, [Entry(undone, "undo", None)])
    room.reviews.close_campaign(OWNER, campaign)
    view, rejected = room.reviews.finish(OWNER, campaign)
    assert view.review_set is not None
    shard = open_shard(room.store, view.review_set)
    reviewed = shard.table(REVIEWED_FILE, REVIEWED).to_pylist()
    verdicts = shard.table(VERDICTS_FILE, VERDICTS).to_pylist()
    assert len(reviewed) == 30
    assert sum(one["rejected"] for one in reviewed) == rejected == 4
    assert {one["decided_by"] for one in reviewed} <= {"majority", "tie"}
    assert all(one["inclusion"] == 0.75 for one in reviewed)
    # Every entry is kept: what was taken back, the undo, and what models said.
    assert len(verdicts) == 91
    assert sum(one["retracted"] for one in verdicts) == 1
    assert sum(one["stands"] for one in verdicts) == 89
    assert sum(one["is_model"] for one in verdicts) == 30
    statistics = shard.manifest.details["statistics"]
    assert statistics["verdicts"] == {"no": 4, "yes": 55}
    thresholds = shard.manifest.details["thresholds"]
    assert thresholds == [] or thresholds[0]["kept"] == 1
    # Finishing again, also by another process, finds it.
    again, _ = Reviews(room.database, [room.store.uri]).finish(OWNER, campaign)
    assert again == view


def test_a_campaign_without_verdicts_is_not_finished(small_room: Room) -> None:
    campaign = small_room.campaign().campaign_id
    small_room.reviews.close_campaign(OWNER, campaign)
    with pytest.raises(PreconditionFailed, match="has no verdict to keep"):
        small_room.reviews.finish(OWNER, campaign)
    assert small_room.reviews.campaign(OWNER, campaign).state is CampaignState.CLOSED
