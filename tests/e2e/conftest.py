"""Real runs: all services, the pipeline, the bundled models."""

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from synthvlm.local.words import WORDS
from tests.e2e.place import Place, place_in


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A home whose services are up."""
    place = place_in(tmp_path_factory.mktemp("up"))
    process = place.start("up", "--profile", str(place.profile), "--json")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    assert set(json.loads(line)["services"]) == set(WORDS)
    pids = place.service_pids()
    yield place
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert not place.home.services_file.exists()


@pytest.fixture(scope="session")
def undisturbed(up: Place) -> dict[str, Any]:
    """What an undisturbed run says."""
    return up.make()
