"""The index in both databases: what is entered is found, by any process, until it is replaced."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from synthvlm.errors import Unavailable
from synthvlm.reuse.index import BATCH, ImageIndex, ScoreIndex, open_index
from synthvlm.reuse.migrations import MIGRATIONS, VERSION_TABLE
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.sql.database import open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage import sha256_digest
from synthvlm.storage.made import NOTHING, Blob, Made, MadeIndex, identity_of
from tests.sql.schemas import differences


def settings(url: str) -> ReuseSettings:
    return ReuseSettings(database=url, database_timeout_seconds=20)


@pytest.fixture
def images(database_url: str) -> Iterator[MadeIndex]:
    index = open_index(ImageIndex, settings(database_url))
    yield index
    index.close()


@pytest.fixture
def scores(database_url: str) -> Iterator[MadeIndex]:
    index = open_index(ScoreIndex, settings(database_url))
    yield index
    index.close()


def image(number: int, path: str = "images/0123/images.tar", offset: int = 512) -> Made:
    values = {"width": 64, "height": 32, "truncated": number % 2 == 0, "defect": None}
    return Made(values, Blob(path, offset, 1000 + number, sha256_digest(str(number).encode())))


def defective(number: int) -> Made:
    return Made({"width": 64, "height": 32, "truncated": False, "defect": f"blank{number}"})


def score(number: int) -> Made:
    if number % 7 == 0:
        return Made({"clip_score": None, "ssim_score": None, "reason": "too_small"})
    return Made({"clip_score": number / 3, "ssim_score": -number / 7, "reason": None})


def ids(numbers: range) -> list[bytes]:
    return [identity_of(number) for number in numbers]


def test_images_are_found_by_their_identity(images: MadeIndex) -> None:
    made = {identity_of(n): image(n, f"images/{n % 3}/images.tar") for n in range(40)}
    made |= {identity_of(n): defective(n) for n in range(40, 45)}
    images.enter(made)
    assert images.find(ids(range(100))) == made
    assert images.find(ids(range(3))) == {one: made[one] for one in ids(range(3))}
    assert images.find(ids(range(50, 60))) == {}
    assert images.find([]) == {}
    images.enter({})


def test_scores_are_found_to_the_last_bit(scores: MadeIndex) -> None:
    made = {identity_of(n): score(n) for n in range(50)}
    scores.enter(made)
    assert scores.find(ids(range(60))) == made


def test_more_than_one_statement_takes(images: MadeIndex) -> None:
    count = 2 * BATCH + 5
    made = {identity_of(n): image(n, f"images/{n}/parts/0") for n in range(count)}
    images.enter(made)
    assert images.find(ids(range(count + 9))) == made


def test_a_new_place_replaces_the_old_one(images: MadeIndex) -> None:
    part, tar = image(1, "images/1/parts/0-a", 90), image(1, "images/1/images.tar", 4096)
    images.enter({identity_of(1): part, identity_of(2): image(2)})
    images.enter({identity_of(1): tar})
    assert images.find(ids(range(3))) == {identity_of(1): tar, identity_of(2): image(2)}
    images.enter({identity_of(1): defective(1)})
    assert images.find(ids(range(2))) == {identity_of(1): defective(1)}


def test_two_processes_see_the_same(database_url: str, images: MadeIndex) -> None:
    other = open_index(ImageIndex, settings(database_url))
    other.enter({identity_of(1): image(1)})
    assert images.find(ids(range(2))) == {identity_of(1): image(1)}
    other.close()


def test_many_enter_the_same_at_once(database_url: str) -> None:
    indexes = [open_index(ImageIndex, settings(database_url)) for _ in range(4)]
    made = {identity_of(n): image(n, f"images/{n % 50}/parts/0") for n in range(400)}
    backwards = dict(reversed(made.items()))
    with ThreadPoolExecutor(8) as threads:
        calls = [
            threads.submit(indexes[n % 4].enter, made if n % 2 else backwards) for n in range(16)
        ]
        for call in calls:
            call.result()
    assert indexes[0].find(list(made)) == made
    for index in indexes:
        index.close()


def test_images_and_scores_share_a_database_with_other_tables(database_url: str) -> None:
    catalogue = open_database(
        DatabaseSettings(database=database_url), "synthvlm.dataset.migrations:versions"
    )
    for _ in range(2):
        images = open_index(ImageIndex, settings(database_url))
        scores = open_index(ScoreIndex, settings(database_url))
        images.enter({identity_of(1): image(1)})
        scores.enter({identity_of(1): score(1)})
        images.close()
        scores.close()
    with catalogue.session() as session:
        counted = [
            session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("dataset", "made_image", "made_score", "alembic_version", VERSION_TABLE)
        ]
    assert counted == [0, 1, 1, 1, 1]
    catalogue.close()


def test_the_schema_is_what_the_tables_declare(database_url: str) -> None:
    from synthvlm.reuse.models import Base

    database = open_database(DatabaseSettings(database=database_url), MIGRATIONS, VERSION_TABLE)
    assert differences(database, Base.metadata, VERSION_TABLE) == []
    database.close()


def test_without_a_database_nothing_is_known() -> None:
    index = open_index(ImageIndex, ReuseSettings())
    index.enter({identity_of(1): image(1)})
    assert index is NOTHING
    assert index.find(ids(range(2))) == {}
    index.close()


def test_a_database_that_fails_is_said_to_be_unavailable(tmp_path: Path) -> None:
    index = open_index(ImageIndex, settings(f"sqlite:///{tmp_path}/index.sqlite"))
    index.enter({identity_of(1): image(1)})
    other = open_database(
        DatabaseSettings(database=f"sqlite:///{tmp_path}/index.sqlite"), MIGRATIONS, VERSION_TABLE
    )
    with other.session() as session:
        session.execute(text("DROP TABLE made_image"))
    with pytest.raises(Unavailable, match="no such table"):
        index.find(ids(range(2)))
    with pytest.raises(Unavailable, match="no such table"):
        index.enter({identity_of(1): image(1)})
    other.close()
    index.close()


@hypothesis.settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.dictionaries(st.integers(0, 20), st.tuples(st.integers(0, 3), st.integers(0, 9)))
    )
)
def test_the_last_place_that_was_entered_is_found(tmp_path_factory, steps) -> None:
    index = open_index(
        ImageIndex, settings(f"sqlite:///{tmp_path_factory.mktemp('index')}/index.sqlite")
    )
    known: dict[bytes, Made] = {}
    for step in steps:
        made = {
            identity_of(n): image(n, f"images/{folder}/images.tar", 512 * place)
            for n, (folder, place) in step.items()
        }
        index.enter(made)
        known |= made
        assert index.find(ids(range(21))) == known
    index.close()
