"""A home on a disk that is full soon: one line says so, and with room the same digest is made."""

from dataclasses import replace
from pathlib import Path

import pytest

from synthvlm.local.home import Home
from tests.e2e.place import Place, place_in

pytestmark = pytest.mark.e2e

WHILE_SERVICES_START, IN_A_STAGE = 80, 600
"""KiB with which the disk is full while the services start, and with which a stage finds it so."""


def test_a_run_that_met_a_full_disk_goes_on_once_there_is_room(
    undisturbed, tmp_path: Path, small_disk
) -> None:
    disk = small_disk(WHILE_SERVICES_START)
    place = replace(place_in(tmp_path), home=Home(disk.path / "home"))
    assert_full(place)
    disk.enlarge(IN_A_STAGE)
    with place.services_up():
        assert_full(place)
        disk.enlarge()
        assert place.make()["digest"] == undisturbed["digest"]


def assert_full(place: Place) -> None:
    """A run says in its last line, and there alone, that the disk is full."""
    _, err = place.call(*place.run_command(), status=1)
    (line,) = [one for one in err.splitlines() if one.startswith("synthvlm: ")]
    assert err.splitlines()[-1] == line
    assert f"no space left on the disk of {place.home.root}" in line
    assert "; free some and run the same command again: it resumes where this" in line
