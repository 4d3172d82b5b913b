"""Verdicts of a file in a campaign: each once, as their annotators', and what is none set aside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from synthvlm.errors import InvalidInput, PermissionDenied, PreconditionFailed
from synthvlm.review.campaigns.drafts import GoldQuestion
from synthvlm.review.exchange.entries import RecordedVerdict
from synthvlm.review.exchange.formats import Format
from synthvlm.review.exchange.tables import as_csv, as_parquet
from synthvlm.review.verdicts import Alignment
from synthvlm.storage import open_shard
from synthvlm.storage.schemas import SELECTION, SELECTION_FILE
from tests.review.campaign import (
    ANN,
    BOB,
    NO,
    OWNER,
    Room,
    other_images,
    review_database,
)


@pytest.fixture
def images(room: Room) -> list[str]:
    """The images of the whole source, all of which the campaigns here show."""
    table = open_shard(room.store, room.selection).table(SELECTION_FILE, SELECTION)
    found: list[str] = table["image_id"].to_pylist()
    return found


@pytest.fixture
def other_room(room: Room, tmp_path: Path) -> Iterator[Room]:
    """The same store with a database of its own."""
    database = review_database(f"sqlite:///{tmp_path}/other.sqlite")
    opened = Room(room.store, room.selection, database, room.clock)
    yield opened
    opened.reviews.close()


def said(image, annotator="eva", alignment="yes", **more):
    return RecordedVerdict(image_id=image, annotator=annotator, alignment=alignment, **more)


def enter(room: Room, campaign: str, *entries: RecordedVerdict):
    return room.reviews.import_verdicts(OWNER, campaign, Format.CSV, as_csv(entries))


def test_a_file_is_recorded_once_however_often_it_is_sent(room: Room, images) -> None:
    campaign = room.campaign(sample_size=40).campaign_id
    entries = [said(image, "eva" if turn % 2 else "jim") for turn, image in enumerate(images)]
    first = enter(room, campaign, *entries)
    assert (first.recorded, first.recorded_before, first.quarantine) == (40, 0, [])
    again = enter(room, campaign, *entries)
    assert (again.recorded, again.recorded_before) == (0, 40)
    progress = room.reviews.progress(OWNER, campaign)
    # Each fills one of the two places of its pair.
    assert progress.campaign.done == 40
    assert [(one.annotator, one.verdicts) for one in progress.annotators] == [
        ("eva", 20),
        ("jim", 20),
    ]
    assert len(room.reviews.lease(ANN, campaign, 41).pairs) == 40
    assert room.reviews.lease(BOB, campaign, 1).pairs == []


def test_a_campaign_goes_from_one_database_to_another_unchanged(
    room: Room, other_room: Room
) -> None:
    campaign = room.campaign(sample_size=6).campaign_id
    room.judge(ANN, campaign, count=6)
    room.judge(BOB, campaign, NO, count=3)
    before = room.reviews.entries(OWNER, campaign)
    target = other_room.campaign(sample_size=6).campaign_id
    done = other_room.reviews.import_verdicts(OWNER, target, Format.PARQUET, as_parquet(before))
    assert (done.recorded, done.quarantine) == (9, [])
    assert other_room.reviews.entries(OWNER, target) == before
    figures = room.reviews.statistics(OWNER, campaign)
    assert other_room.reviews.statistics(OWNER, target).verdicts == figures.verdicts


def test_what_is_not_of_the_campaign_is_put_in_quarantine(room: Room, images) -> None:
    campaign = room.campaign(sample_size=40).campaign_id
    done = enter(
        room,
        campaign,
        said("unknown"),
        said(images[0], caption="another caption"),
        RecordedVerdict(image_id=images[1], annotator="eva", preference="source"),
        said(images[2], request_id="r1"),
        said(images[3], request_id="r1"),
        said(images[4], "clip", is_model=True),
        said(images[5], "clip"),
    )
    assert done.recorded == 2
    assert {one.place: one.reason for one in done.quarantine} == {
        "record 1": "the campaign does not show this image",
        "record 2": "the campaign shows this image with another caption",
        "record 3": "the campaign compares no images, so the entry needs an alignment alone",
        "record 5": "its request_id was used for another entry of the annotator",
        "record 7": "the annotator is known as a model here",
    }


def test_what_was_said_later_stands(room: Room, images) -> None:
    campaign = room.campaign(sample_size=40).campaign_id

    def stands() -> dict[str, int]:
        return room.reviews.statistics(OWNER, campaign).verdicts

    now = int(room.clock.now)
    enter(room, campaign, said(images[0], alignment="no", record_time=now))
    enter(room, campaign, said(images[0], alignment="yes", record_time=now - 10))
    assert stands() == {"no": 1}
    enter(room, campaign, said(images[0], alignment="partly", record_time=now + 10))
    assert stands() == {"partly": 1}
    taken_back = said(images[0], record_time=now + 20, retracted=True, stands=False)
    enter(room, campaign, taken_back)
    assert stands() == {}
    assert len(room.reviews.entries(OWNER, campaign)) == 4
    # The place is free again: two people and no more judge the pair.
    counts = [len(room.reviews.lease(person, campaign, 41).pairs) for person in (ANN, BOB)]
    assert counts == [40, 40]


def test_models_and_answers_to_gold_questions_take_nobodys_place(room: Room, images) -> None:
    gold = [GoldQuestion(images[0], Alignment.NO)]
    campaign = room.campaign(sample_size=39, gold=gold, gold_share=0.1).campaign_id
    done = enter(
        room,
        campaign,
        said(images[0], alignment="no", expected="yes"),
        said(images[1], "clip", is_model=True, expected="yes"),
    )
    assert done.recorded == 2
    assert done.notices == ["left out: 1 right answers to pairs that are not gold questions"]
    progress = room.reviews.progress(OWNER, campaign)
    assert progress.campaign.done == 0
    eva = next(one for one in progress.annotators if one.annotator == "eva")
    assert (eva.gold_answered, eva.gold_right) == (1, 1)


def test_preferences_keep_their_side(room: Room) -> None:
    compared = other_images(room.store)
    campaign = room.campaign(sample_size=8, compared=compared).campaign_id
    table = open_shard(room.store, room.selection).table(SELECTION_FILE, SELECTION)
    entries = [
        RecordedVerdict(image_id=image, annotator="eva", preference="source")
        for image in table["image_id"].to_pylist()
    ]
    assert enter(room, campaign, *entries).recorded == 8
    assert room.reviews.statistics(OWNER, campaign).verdicts == {"left": 8}


def test_only_owners_import_and_only_while_verdicts_are_recorded(room: Room, images) -> None:
    campaign = room.campaign(sample_size=40).campaign_id
    content = as_csv([said(images[0])])
    with pytest.raises(PermissionDenied):
        room.reviews.import_verdicts(ANN, campaign, Format.CSV, content)
    with pytest.raises(InvalidInput, match="not a Parquet file"):
        room.reviews.import_verdicts(OWNER, campaign, Format.PARQUET, content)
    room.reviews.import_verdicts(OWNER, campaign, Format.CSV, content)
    room.reviews.close_campaign(OWNER, campaign)
    room.reviews.finish(OWNER, campaign)
    with pytest.raises(PreconditionFailed, match="is finished"):
        room.reviews.import_verdicts(OWNER, campaign, Format.CSV, content)
