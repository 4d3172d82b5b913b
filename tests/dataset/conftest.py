"""Stores and catalogues; the shards in them are written by ``tests.dataset.shards``."""

import pytest

from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.service import open_catalogue
from synthvlm.storage import file_location, open_store


@pytest.fixture
def store(tmp_path):
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture
def catalogue(tmp_path):
    opened = open_catalogue(DatasetSettings(database=f"sqlite:///{tmp_path}/catalogue.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def settings(database_url):
    """Settings with a fresh database, once for each engine."""
    return DatasetSettings(database=database_url)
