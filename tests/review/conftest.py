"""Campaigns over a small Selection, in both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from synthvlm.storage import ShardRef, Store
from tests.review.campaign import Room, review_database, selection_of


@pytest.fixture(scope="session")
def selection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, ShardRef]:
    """A store with a Selection of forty pairs; tests do not change it."""
    return selection_of(tmp_path_factory.mktemp("review"))


@pytest.fixture
def room(selection: tuple[Store, ShardRef], database_url: str) -> Iterator[Room]:
    """A room with a fresh database, once for each engine."""
    opened = Room(*selection, review_database(database_url))
    yield opened
    opened.reviews.close()


@pytest.fixture
def small_room(selection: tuple[Store, ShardRef], tmp_path: Path) -> Iterator[Room]:
    """A room with a fresh database in a file."""
    opened = Room(*selection, review_database(f"sqlite:///{tmp_path}/review.sqlite"))
    yield opened
    opened.reviews.close()
