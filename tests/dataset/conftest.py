"""Stores and catalogues; the shards in them are written by ``tests.dataset.shards``."""

from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from synthvlm.dataset.catalogue import Catalogue
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.database import open_database
from synthvlm.storage import file_uri, open_store
from tests.dataset import postgres


@pytest.fixture
def store(tmp_path):
    return open_store(file_uri(tmp_path / "store"))


@pytest.fixture
def catalogue(tmp_path):
    settings = DatasetSettings(database=f"sqlite:///{tmp_path}/catalogue.sqlite")
    opened = Catalogue(open_database(settings))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres_server():
    if not postgres.can_start():
        pytest.skip("no PostgreSQL server can be started here")
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request, tmp_path):
    """Settings with a fresh database, once for each engine."""
    if request.param == "sqlite":
        return DatasetSettings(database=f"sqlite:///{tmp_path}/new folder/catalogue.sqlite")
    url = request.getfixturevalue("postgres_server")
    name = f"test_{uuid4().hex}"
    administrator = create_engine(
        url.format("postgres").replace("postgresql:", "postgresql+psycopg:"),
        isolation_level="AUTOCOMMIT",
    )
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    administrator.dispose()
    return DatasetSettings(database=url.format(name))
