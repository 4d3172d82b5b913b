"""A grid search with all services and the bundled models: kept, found again, resumed."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.place import STAGE_SECONDS, Place

pytestmark = pytest.mark.e2e

GRID = ("--grid", "steps=1,2", "guidance_scale=1,3", "--sample", "8", "--seed", "3", "--json")


def tune(place: Place) -> tuple[str, ...]:
    options = ("--captions", str(place.captions), "--profile", str(place.profile))
    return ("tune", *options, *GRID)


def image_sets(place: Place) -> dict[Path, int]:
    """The committed image sets, and when they were written."""
    manifests = place.home.store.glob("images/*/manifest.json")
    return {path: path.stat().st_mtime_ns for path in manifests}


def wait_for_images(place: Place, known: int) -> None:
    """Waits until at least one cell's images are committed."""
    deadline = time.monotonic() + STAGE_SECONDS
    while len(image_sets(place)) == known:
        assert time.monotonic() < deadline, "no cell was made"
        time.sleep(0.05)


def test_a_search_that_is_killed_goes_on_and_finds_what_was_made(up: Place) -> None:
    others = len(image_sets(up))
    first = up.start(*tune(up))
    wait_for_images(up, others)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    made = image_sets(up)

    out, err = up.call(*tune(up))
    answer = json.loads(out)
    assert [cell["scored"] for cell in answer["cells"]] == [8] * 4
    assert answer["captions"] == 8
    # What the first attempt had committed was not made again.
    assert made.items() <= image_sets(up).items()
    assert "1/4 steps=1 guidance_scale=1" in err
    chosen = yaml.safe_load(Path(answer["profile"]).read_text())["generation"]
    assert answer["chosen"].items() <= chosen.items()
    assert Path(answer["report"]).read_text().startswith("<!doctype html>")

    again = json.loads(up.call(*tune(up))[0])
    kept = ("cells", "chosen", "digests", "profile")
    assert {key: again[key] for key in kept} == {key: answer[key] for key in kept}
