"""What holds for every test process, before it imports anything else; databases for tests."""

import importlib
import os
import sys
from uuid import uuid4

import pytest

from synthvlm.heap import keep_what_is_there, put_off_full_collections

# Test processes share the cores with one another and with the services that they start: torch's
# threads must not spin while they wait. torch reads it when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Services, steps and commands are processes of their own: hundreds of them, of which each would
# compile all that it imports if the first could not keep it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

LARGE_LIBRARIES = {
    "gw0": ["torch._dynamo"],
    "gw1": ["kubernetes.client", "matplotlib.pyplot", "pandas", "scipy.stats"],
    "gw2": ["datasets", "moto.server", "numba", "playwright.sync_api", "sqlalchemy.orm"],
}
"""Libraries that all tests together import, by the test process that begins with them."""


def pytest_sessionstart() -> None:
    """Has each test process begin with other libraries.

    In a fresh checkout all of them would else compile the same modules at the same time.
    """
    put_off_full_collections()  # until everything is imported
    for library in LARGE_LIBRARIES.get(os.environ.get("PYTEST_XDIST_WORKER", ""), ()):
        importlib.import_module(library)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts first the longest tests, those of the whole chain, and then what shares other services.

    With several test processes the first one then runs them all, on services that are started once,
    while the others take over the rest: none waits at the end for a test of minutes.
    """
    items.sort(key=lambda item: (not item.get_closest_marker("e2e"), not _shares_services(item)))


def pytest_collection_finish() -> None:
    """Leaves what the imports of all tests have made to itself.

    Each full garbage collection would walk through it, a second's work, for tests that make many
    objects again and again.
    """
    keep_what_is_there()


def _shares_services(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "addresses" in item.fixturenames


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server; its URL without the database's name filled in."""
    from tests import postgres

    if not postgres.can_start():
        pytest.skip("no PostgreSQL server can be started here")
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of a fresh database, once for each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/fresh.sqlite"
    from sqlalchemy import create_engine, text

    url = request.getfixturevalue("postgres_server")
    name = f"test_{uuid4().hex}"
    administrator = create_engine(
        url.format("postgres").replace("postgresql:", "postgresql+psycopg:"),
        isolation_level="AUTOCOMMIT",
    )
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    administrator.dispose()
    return url.format(name)


@pytest.fixture
def small_disk(tmp_path):
    """Makes disks of a few KiB that can be enlarged, where file systems may be mounted."""
    from tests.small_disks import SmallDisk

    disks: list[SmallDisk] = []

    def make(kib):
        disks.append(SmallDisk(tmp_path / f"disk-{len(disks)}", kib))
        return disks[-1]

    yield make
    for disk in disks:
        disk.unmount()
