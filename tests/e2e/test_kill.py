"""``kill -9`` of everything in turn, and the same command again: as if nothing had happened."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from synthvlm_pipelines.events import StageEvent
from tests.e2e.conftest import Place, place_in

pytestmark = pytest.mark.e2e

Condition = Callable[[StageEvent], bool]
Victim = Callable[[Place, psutil.Process], int]


def begins(stage: str) -> Condition:
    return lambda event: event.stage == stage


def in_the_middle_of(stage: str, done: int) -> Condition:
    return lambda event: event.stage == stage and done <= event.done < event.total


def service(word: str) -> Victim:
    return lambda place, _command: place.service_pids()[word]


def pipeline(_place: Place, command: psutil.Process) -> int:
    (child,) = [c for c in command.children() if "synthvlm_pipelines" in c.cmdline()]
    return int(child.pid)


def the_command(_place: Place, command: psutil.Process) -> int:
    return int(command.pid)


KILLS: list[tuple[str, Condition, Victim, str]] = [
    ("caption", begins("curate"), service("caption"), "the caption service has ended"),
    ("pipeline", begins("generate"), pipeline, "the pipeline's process was killed by signal 9"),
    (
        "generation",
        in_the_middle_of("generate", 4),
        service("generation"),
        "the generation service has ended",
    ),
    ("command", in_the_middle_of("generate", 8), the_command, ""),
    ("alignment", begins("score"), service("alignment"), "the alignment service has ended"),
    ("dataset", begins("select"), service("dataset"), "the dataset service has ended"),
]


def test_killed_in_every_stage(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Each run goes on where the killed one before it stopped, up to the next kill."""
    place = place_in(tmp_path / "another directory with blanks")
    for name, condition, victim, message in KILLS:
        process = place.start(*place.run_command())
        place.wait_for(condition)
        pids = place.service_pids()
        os.kill(victim(place, psutil.Process(process.pid)), signal.SIGKILL)
        killed = time.monotonic()
        out, err = process.communicate()
        assert out == "", name
        if name == "command":
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 1, err
            assert message in err.splitlines()[-1]
            assert "run the same command again" in err.splitlines()[-1]
            assert "Traceback" not in err
        psutil.wait_procs([psutil.Process(p) for p in pids.values() if psutil.pid_exists(p)], 30)
        assert not any(psutil.pid_exists(pid) for pid in pids.values()), name
        assert time.monotonic() - killed < 60, name
    answer = place.make()
    for key in ("version", "digest", "counts"):
        assert answer[key] == undisturbed[key]
    captions = [pair["conversations"][1]["value"] for pair in place.pairs(tmp_path / "llava")]
    assert len(set(captions)) == len(captions) == 12
