"""``kill -9`` of everything in turn, and the same command again: as if nothing had happened.

A service that is killed while it scores is met in ``tests/contracts/test_kill.py``, and every
process at any moment in ``make kills``.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from synthvlm.local.launch import start
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import silent, wait_ready
from synthvlm.local.services import as_services, own_services, register
from synthvlm.local.words import RUN
from synthvlm_pipelines.events import StageEvent
from tests.e2e.place import Place, place_in
from tests.e2e.victims import find_victim

pytestmark = pytest.mark.e2e

Condition = Callable[[StageEvent], bool]
Victim = Callable[[Place, psutil.Process], int]


def begins(stage: str) -> Condition:
    return lambda event: event.stage == stage


def in_the_middle_of(stage: str, done: int) -> Condition:
    return lambda event: event.stage == stage and done <= event.done < event.total


def service(word: str) -> Victim:
    return lambda place, _command: place.service_pids()[word]


def process_of(victim: str) -> Victim:
    def find(_place: Place, command: psutil.Process) -> int:
        process = find_victim(victim, command)
        assert process is not None
        return int(process.pid)

    return find


KILLS: list[tuple[str, Condition, Victim, str]] = [
    ("caption", begins("curate"), service("caption"), "the caption service ended during the run"),
    (
        "pipeline",
        begins("generate"),
        process_of("pipeline"),
        "the pipeline's process was killed by signal 9",
    ),
    (
        "generation",
        in_the_middle_of("generate", 8),
        service("generation"),
        "the generation service ended during the run",
    ),
    (
        "step",
        begins("select"),
        process_of("step"),
        "the step of the stage select ended without a result",
    ),
    ("dataset", begins("select"), service("dataset"), "the dataset service ended during the run"),
]


def test_killed_one_after_another(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Each run resumes where the killed one before it stopped, up to the next kill."""
    place = place_in(tmp_path / "another directory with blanks")
    home, profile = place.home, str(place.profile)
    kill_the_command(place)
    lock = HomeLock(home, "up")
    assert lock.take()  # although its holder could not give it back
    with lock, own_services(home, profile, "up", silent, words=RUN) as own:
        services = own.processes
        for name, condition, victim, message in KILLS:
            process = place.start(*place.run_command())
            place.wait_for(condition)
            killed = victim(place, psutil.Process(process.pid))
            os.kill(killed, signal.SIGKILL)
            out, err = process.communicate()
            assert (process.returncode, out) == (1, ""), err
            assert message in err.splitlines()[-1], name
            assert "run the same command again" in err.splitlines()[-1]
            assert "Traceback" not in err
            for index, dead in enumerate(services):
                if dead.process.pid == killed:
                    dead.process.wait()  # the run may see its end before its parent does
                    services[index] = start(home, profile, dead.word, home.state, own.where)
            wait_ready(services, silent)
            register(home, "up", as_services(profile, services, own.where))
        answer = place.make()
        for key in ("version", "digest", "counts"):
            assert answer[key] == undisturbed[key]
        pairs = place.pairs(tmp_path / "llava")
    captions = [pair["conversations"][1]["value"] for pair in pairs]
    assert len(set(captions)) == len(captions) == 12


def kill_the_command(place: Place) -> None:
    """Its services, its pipeline and that one's steps end with it."""
    process = place.start(*place.run_command())
    place.wait_for(in_the_middle_of("generate", 4))
    family = psutil.Process(process.pid).children(recursive=True)
    assert {place.service_pids()[word] for word in RUN} < {child.pid for child in family}
    process.kill()
    out, _ = process.communicate()
    assert out == ""
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
