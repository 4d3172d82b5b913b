"""What a training tells its caller: JSON lines on stdout, from its first process."""

import json
import sys
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What happened."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class TrainingEvent:
    """Something that happened in a training.

    Attributes:
        state: ``running``: steps were done. ``stopped``: SIGTERM came, a checkpoint is committed,
            and the same command goes on from it. ``finished`` and ``failed`` are the last.
        stage: ``pretrain`` or ``finetune``; empty outside of them.
        done: Steps done of all stages together.
        total: Steps of all stages together.
        resumed: Of ``done``, steps of an earlier attempt.
        values: The latest point of the loss curve, while it is running; the model once it is
            finished: ``path``, ``digest``, and ``found``: whether it had been trained before.
        code: Name of the gRPC status code, if it failed.
        reason: What went wrong, if it failed.
    """

    state: State
    stage: str = ""
    done: int = 0
    total: int = 0
    resumed: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    reason: str = ""


_MARK = "synthvlm.training"


def emit(event: TrainingEvent) -> None:
    """Writes an event to stdout."""
    sys.stdout.write(json.dumps({"event": _MARK, **asdict(event)}) + "\n")
    sys.stdout.flush()


def parse_event(line: str) -> TrainingEvent | None:
    """The event that a line of stdout tells of; None for any other line."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.pop("event", None) != _MARK:
        return None
    return TrainingEvent(**{**content, "state": State(content["state"])})
