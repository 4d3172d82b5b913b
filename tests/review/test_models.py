"""The data model of human verification holds what the proto promises, in both databases."""

from contextlib import contextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from synthvlm.review.models import (
    RATINGS,
    Assignment,
    Base,
    Campaign,
    CampaignState,
    SampledPair,
    Verdict,
)
from synthvlm.review.v1 import review_pb2


@pytest.fixture
def engine(database_url, tmp_path):
    (tmp_path / "new folder").mkdir()
    opened = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    if opened.dialect.name == "sqlite":
        event.listen(opened, "connect", lambda one, _: one.execute("PRAGMA foreign_keys=ON"))
    Base.metadata.create_all(opened)
    yield opened
    opened.dispose()


def campaign(**changes):
    values = {
        "campaign_id": "c1",
        "title": "Shapes",
        "store_uri": "file:///store",
        "selection_path": "selection/1",
        "selection_digest": "sha256:" + "0" * 64,
        "selection_records": 10,
        "sample_size": 2,
        "verdicts_per_pair": 2,
        "seed": 2**63 - 1,
        "create_time": 1_800_000_000,
        "request_id": "r1",
    }
    return Campaign(**{**values, **changes})


def pair(position, image="i", campaign_id="c1"):
    return SampledPair(
        campaign_id=campaign_id,
        image_id=f"{image}{position}",
        position=position,
        caption_id=f"c{position}",
        caption="ein roter Kreis " * 200,
        media_type="image/jpeg",
        image_set_path="images/1",
        image_offset=2**40,
        image_size=1000,
        image_sha256="sha256:" + "1" * 64,
        clip_score=0.3,
        ssim_score=0.8,
        weighted_score=0.7,
    )


def verdict(reviewer="ann", **changes):
    values = {
        "campaign_id": "c1",
        "image_id": "i0",
        "reviewer": reviewer,
        "alignment": 5,
        "quality": 1,
        "accept": True,
        "submit_time": 1_800_000_001,
    }
    return Verdict(**{**values, **changes})


@pytest.fixture
def session(engine):
    with Session(engine) as opened:
        opened.add_all([campaign(), pair(1), pair(0)])
        opened.commit()
        yield opened


@contextmanager
def refused(session):
    with pytest.raises(IntegrityError):
        yield
        session.flush()
    session.rollback()


def test_a_campaign_with_its_sample_and_verdicts(session):
    session.add(Assignment(campaign_id="c1", image_id="i0", reviewer="ann", assign_time=1))
    session.add_all([verdict("ann"), verdict("bob", accept=False, comment="blurred")])
    session.commit()
    session.expire_all()
    found = session.scalars(select(Campaign)).one()
    assert found.state == CampaignState.OPEN
    assert found.seed == 2**63 - 1
    assert [one.image_id for one in found.pairs] == ["i0", "i1"]
    first = found.pairs[0]
    assert first.image_offset == 2**40
    assert {one.reviewer: (one.accept, one.comment) for one in first.verdicts} == {
        "ann": (True, ""),
        "bob": (False, "blurred"),
    }
    assert [one.reviewer for one in first.assignments] == ["ann"]


def test_a_second_verdict_replaces_the_first(session):
    session.merge(verdict(alignment=1))
    session.commit()
    session.merge(verdict(alignment=4))
    session.commit()
    assert [one.alignment for one in session.scalars(select(Verdict))] == [4]


@pytest.mark.parametrize(
    "changes", [{"alignment": 0}, {"alignment": 6}, {"quality": 0}, {"quality": 6}]
)
def test_ratings_are_from_one_to_five(session, changes):
    with refused(session):
        session.add(verdict(**changes))
    for rating in RATINGS:
        session.add(verdict(f"r{rating}", alignment=rating, quality=rating))
    session.commit()


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_size": 0},
        {"sample_size": 100_001},
        {"verdicts_per_pair": 0},
        {"verdicts_per_pair": 21},
        {"state": 0},
        {"state": 3},
        {"request_id": "r1"},
        {"campaign_id": "c1"},
    ],
)
def test_what_no_campaign_can_be(session, changes):
    session.expunge_all()
    with refused(session):
        session.add(campaign(**{"campaign_id": "c2", "request_id": "r2", **changes}))


def test_campaigns_without_request_id_are_many(session):
    session.add_all([campaign(campaign_id=f"n{n}", request_id=None) for n in range(3)])
    session.commit()


def test_verdicts_are_on_pairs_of_the_sample(session):
    with refused(session):
        session.add(verdict(image_id="i7"))
    with refused(session):
        session.add(Assignment(campaign_id="c1", image_id="i7", reviewer="ann", assign_time=1))


def test_a_pair_has_one_place_in_the_sample(session):
    with refused(session):
        session.add(pair(1, image="j"))


def test_a_campaign_takes_everything_with_it(session):
    session.add(verdict())
    session.commit()
    session.delete(session.get_one(Campaign, "c1"))
    session.commit()
    assert not session.scalars(select(SampledPair)).all()
    assert not session.scalars(select(Verdict)).all()


def test_alembic_sees_no_difference(engine):
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_states_are_numbered_as_in_the_proto():
    for state in CampaignState:
        assert review_pb2.CampaignState.Value(f"CAMPAIGN_STATE_{state.name}") == state
