"""Running services, and a small dataset that they made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.chain import Made, make_dataset
from tests.contracts.processes import all_started
from tests.contracts.words import SERVICES


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with all that the running services keep."""
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="session")
def addresses(state: Path) -> Iterator[dict[str, str]]:
    """Every service, running; its address by word."""
    with all_started(SERVICES, state) as running:
        yield running


@pytest.fixture(scope="session")
def dataset(addresses: dict[str, str], state: Path) -> Made:
    """A dataset with two versions, made by the running services."""
    return make_dataset(addresses, state)
