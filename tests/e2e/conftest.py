"""Real runs: all services, the pipeline, the bundled models."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.place import CAPTIONS, ONE_MORE_CAPTION, Place, place_in


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A home whose services are up."""
    place = place_in(tmp_path_factory.mktemp("up"))
    with place.services_up():
        yield place


@pytest.fixture(scope="session")
def undisturbed(up: Place) -> dict[str, Any]:
    """What an undisturbed run says."""
    return up.make()


@pytest.fixture(scope="session")
def grown(
    up: Place, undisturbed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a run with one caption more says, where the others' images and scores are known."""
    del undisturbed  # it has made them
    more = place_in(tmp_path_factory.mktemp("more"), [*CAPTIONS, ONE_MORE_CAPTION])
    return replace(up, captions=more.captions).make("--name", "grown")
