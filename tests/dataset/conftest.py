"""Shards as the other stages write them, with small synthetic images."""

import pytest

from synthvlm.dataset.catalogue import Catalogue
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.database import open_database
from synthvlm.storage import file_uri, open_store


@pytest.fixture
def store(tmp_path):
    return open_store(file_uri(tmp_path / "store"))


@pytest.fixture
def catalogue(tmp_path):
    settings = DatasetSettings(database=f"sqlite:///{tmp_path}/catalogue.sqlite")
    opened = Catalogue(open_database(settings))
    yield opened
    opened.close()
