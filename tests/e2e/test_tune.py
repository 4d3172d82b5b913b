"""A grid search with all services and the bundled models: kept, found again, resumed."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.place import STAGE_SECONDS, Place, place_in

pytestmark = pytest.mark.e2e

GRID = ("--grid", "steps=1,2", "guidance_scale=1,3", "--sample", "8", "--seed", "3", "--json")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home of its own: its services are those of the search."""
    return place_in(tmp_path)


def tune(place: Place) -> tuple[str, ...]:
    options = ("--captions", str(place.captions), "--profile", str(place.profile))
    return ("tune", *options, *GRID)


def wait_for_images(place: Place) -> None:
    """Waits until at least one cell's images are committed."""
    deadline = time.monotonic() + STAGE_SECONDS
    images = place.home.store / "images"
    while not list(images.glob("*/manifest.json")):
        assert time.monotonic() < deadline, "no cell was made"
        time.sleep(0.1)


def test_a_search_that_is_killed_goes_on_and_finds_what_was_made(place: Place) -> None:
    first = place.start(*tune(place))
    wait_for_images(place)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    made = {
        path: path.stat().st_mtime_ns for path in place.home.store.glob("images/*/manifest.json")
    }

    out, err = place.call(*tune(place))
    answer = json.loads(out)
    assert [cell["scored"] for cell in answer["cells"]] == [8] * 4
    assert answer["captions"] == 8
    # What the first attempt had committed was not made again.
    assert all(path.stat().st_mtime_ns == modified for path, modified in made.items())
    assert "1/4 steps=1 guidance_scale=1" in err
    chosen = yaml.safe_load(Path(answer["profile"]).read_text())["generation"]
    assert answer["chosen"].items() <= chosen.items()
    assert Path(answer["report"]).read_text().startswith("<!doctype html>")

    again = json.loads(place.call(*tune(place))[0])
    kept = ("cells", "chosen", "digests", "profile")
    assert {key: again[key] for key in kept} == {key: answer[key] for key in kept}
