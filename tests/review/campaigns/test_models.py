"""The schema of human verification is what its migrations make, in both databases."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from synthvlm.review import verdicts
from synthvlm.review.campaigns import models
from synthvlm.review.campaigns.models import Assignment, AssignmentState, Base, Campaign, Pair
from synthvlm.review.migrations import MIGRATIONS, VERSION_TABLE
from synthvlm.review.v1 import review_pb2
from synthvlm.sql.database import open_database
from synthvlm.sql.settings import DatabaseSettings
from tests.sql.schemas import differences


@pytest.fixture
def database(database_url):
    opened = open_database(DatabaseSettings(database=database_url), MIGRATIONS, VERSION_TABLE)
    yield opened
    opened.close()


def test_the_migrations_make_the_tables_of_the_model(database) -> None:
    assert differences(database, Base.metadata, VERSION_TABLE) == []


def test_an_annotator_cannot_have_a_pair_twice(database) -> None:
    with database.session() as session:
        campaign = Campaign(
            campaign_id="c",
            state=2,
            design="{}",
            store_uri="file:///store",
            source_path="selection/1",
            source_digest="sha256:" + "0" * 64,
            source_records=1,
            pairs=1,
            wanted=2,
            create_time=0,
            request_digest="",
        )
        session.add(campaign)
        session.flush()
        pair = Pair(
            campaign=campaign.id,
            position=0,
            image_id="i",
            caption_id="c",
            caption="ein roter Kreis",
            stratum=0,
            inclusion=1.0,
            mirrored=False,
        )
        session.add(pair)
        session.flush()
    row = {"campaign": campaign.id, "pair": pair.id, "position": 0, "wanted": True}
    free = {**row, "state": AssignmentState.FREE, "annotator": None}
    with database.session() as session:
        session.execute(insert(Assignment), [free, free])
    taken = {**row, "state": AssignmentState.LEASED, "annotator": "ann"}
    with pytest.raises(IntegrityError), database.session() as session:
        session.execute(insert(Assignment), [taken, taken])


@pytest.mark.parametrize(
    ("enum", "prefix"),
    [
        (models.CampaignState, "CAMPAIGN_STATE"),
        (verdicts.Alignment, "ALIGNMENT"),
        (verdicts.Reason, "REASON"),
        (verdicts.Preference, "PREFERENCE"),
        (verdicts.Side, "SIDE"),
    ],
)
def test_numbers_are_those_of_the_proto(enum, prefix) -> None:
    proto = review_pb2.DESCRIPTOR.enum_types_by_name[enum.__name__]
    assert {f"{prefix}_{one.name}": int(one) for one in enum} == {
        value.name: value.number for value in proto.values if value.number
    }


def test_reasons_survive_the_database() -> None:
    for reason in verdicts.Reason:
        assert verdicts.from_bits(verdicts.as_bits([reason])) == {reason}
    assert verdicts.from_bits(verdicts.as_bits(verdicts.Reason)) == set(verdicts.Reason)
