"""What a job tells its caller: JSON lines on stdout."""

import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

_MARK = "synthvlm.job"


class State(StrEnum):
    """What happened."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class JobEvent:
    """Something that happened in a job.

    Attributes:
        state: ``waiting``: a cluster has not started it yet. ``running``: work was done.
            ``stopped``: SIGTERM came, what was done is committed, and the same command goes on
            from it. ``finished`` and ``failed`` are the last.
        stage: What of the job is being worked on; empty for a job of one piece.
        done: Steps or parts done, of all stages together.
        total: Steps or parts of all stages together.
        resumed: Of ``done``, those of an earlier attempt.
        values: The latest measurements while it is running; what it made once it is finished.
        code: Name of the gRPC status code, if it failed.
        reason: What went wrong, if it failed; what it waits for, if it waits.
    """

    state: State
    stage: str = ""
    done: int = 0
    total: int = 0
    resumed: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    reason: str = ""


def emit(event: JobEvent) -> None:
    """Writes an event to stdout. That nobody listens any more is no reason not to save."""
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps({"event": _MARK, **asdict(event)}) + "\n")
        sys.stdout.flush()


def parse_event(line: str) -> JobEvent | None:
    """The event that a line of stdout tells of; None for any other line."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.pop("event", None) != _MARK:
        return None
    return JobEvent(**{**content, "state": State(content["state"])})
