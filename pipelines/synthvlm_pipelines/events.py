"""The progress of a run: one JSON line per event, appended to a file that others follow.

KFP's own log shows no progress and is not an interface, so steps report here. Without a file (on a
cluster) the same lines go to the step's log.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

PROGRESS_FILE = "SYNTHVLM_PROGRESS_FILE"
"""Environment variable with the path of the progress file."""


class State(StrEnum):
    """What happened to a stage."""

    STARTED = "started"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class StageEvent:
    """Something that happened to one stage on one shard.

    Attributes:
        stage: ``import``, ``curate``, ``generate``, ``score``, ``select``, ``assemble``, ``train``
            or ``evaluate``.
        state: What happened.
        shard: Number of the shard, from 0.
        shards: Shards of the run; 1 for a stage that runs once.
        done: Records finished.
        total: Records in all; 0 until that is known.
        resumed: Of ``done``, the records that an earlier attempt had committed.
        reused: Of ``done``, the records that were found in other shards.
        seconds: Time since the stage started on this shard.
        result: The stage's result message as JSON, in the event ``finished``.
        code: Name of the gRPC status code, in the event ``failed``.
        reason: What went wrong, one line, in the event ``failed``; what a job on a cluster waits
            for, in ``running``.
    """

    stage: str
    state: State
    shard: int = 0
    shards: int = 1
    done: int = 0
    total: int = 0
    resumed: int = 0
    reused: int = 0
    seconds: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    reason: str = ""


def emit(event: StageEvent) -> None:
    """Appends an event to the run's progress file, or prints it if there is none."""
    line = json.dumps(asdict(event), separators=(",", ":")) + "\n"
    path = os.environ.get(PROGRESS_FILE)
    if path is None:
        sys.stdout.write(line)
        sys.stdout.flush()
        return
    # Each line is one write in append mode, so lines of parallel steps never mix.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


class EventReader:
    """Follows a progress file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[StageEvent]:
        """The events written since the last call; an incomplete line is left for the next call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                content = json.loads(line)
                yield StageEvent(**{**content, "state": State(content["state"])})
