"""Following a run to its end, and where its stages stand meanwhile."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from synthvlm.submission.runs import ENDED, FAILED, SUCCEEDED
from synthvlm.submission.server import KfpServer

POLL_SECONDS = 5.0
"""Time between two looks at a run."""

STAGES = ("import", "curate", "generate", "score", "select", "assemble", "train", "evaluate")
"""The stages of a run, in its order."""

_STAGE_OF = {"import-captions": "import"} | {stage: stage for stage in STAGES[1:]}
"""The stage of a task, by the name under which the server shows it."""

_ITERATION = re.compile(r"\((\d+)(?::|\))")


@dataclass(frozen=True)
class StageCount:
    """How many steps of a stage there are, by what became of them."""

    waiting: int = 0
    running: int = 0
    finished: int = 0
    failed: int = 0

    def __str__(self) -> str:
        parts = {
            "finished": self.finished,
            "running": self.running,
            "failed": self.failed,
            "waiting": self.waiting,
        }
        return ", ".join(f"{number:,} {word}" for word, number in parts.items() if number)


@dataclass(frozen=True)
class StepFailure:
    """A step that failed.

    Attributes:
        stage: Its stage.
        shard: Number of its shard, from 0; None: it has none, or the server does not say.
        reason: What the server says of it, one line.
    """

    stage: str
    shard: int | None
    reason: str


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Attributes:
        state: Its state, in KFP's words.
        stages: Its stages that have begun, in the chain's order.
        failure: The first step that failed, if one did.
        error: What the server says of the run as a whole.
    """

    state: str
    stages: Mapping[str, StageCount] = field(default_factory=dict)
    failure: StepFailure | None = None
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing happens any more."""
        return self.state in ENDED


def followed(
    server: KfpServer, run_id: str, on_change: Callable[[Standing], None]
) -> tuple[Any, Standing]:
    """Follows a run until it ends, in whatever way: a canceled run too has ended.

    Args:
        server: The server.
        run_id: The run.
        on_change: Called whenever it stands elsewhere.

    Returns:
        The run, and where it ended.

    Raises:
        NotFound: The run was deleted.
        Unavailable: The server is gone for too long.
        Unauthenticated: It refuses the token, and no newer one comes.
    """
    last: Standing | None = None
    while True:
        run = server.call(server.runs.run_service_get_run, run_id)
        standing = standing_of(run)
        if standing != last:
            on_change(standing)
            last = standing
        if standing.has_ended:
            return run, standing
        server.clock.sleep(POLL_SECONDS)


def standing_of(run: Any) -> Standing:
    """Where a run stands, by its tasks as the server lists them."""
    details = run.run_details.task_details if run.run_details else None
    tasks = [task for task in details or [] if task.display_name in _STAGE_OF]
    parents = {task.task_id: task for task in details or []}
    counts = {
        stage: _count([str(one.state) for one in tasks if _STAGE_OF[one.display_name] == stage])
        for stage in STAGES
    }
    failed = [task for task in tasks if task.state == FAILED]
    failed.sort(key=lambda task: str(task.end_time or ""))
    return Standing(
        state=str(run.state or "PENDING"),
        stages={stage: count for stage, count in counts.items() if count != StageCount()},
        failure=_failure(failed[0], parents) if failed else None,
        error=_line(run.error),
    )


def _count(states: list[str]) -> StageCount:
    finished = sum(state in (SUCCEEDED, "SKIPPED") for state in states)  # skipped: found in a cache
    failed, running = states.count(FAILED), states.count("RUNNING")
    return StageCount(len(states) - finished - failed - running, running, finished, failed)


def _failure(task: Any, tasks: Mapping[str, Any]) -> StepFailure:
    """What failed; the number of its shard is in the name of the iteration that it belongs to."""
    shard, parent, seen = None, task, set[str]()
    while shard is None and parent is not None and parent.task_id not in seen:
        seen.add(parent.task_id)
        found = _ITERATION.search(str(parent.display_name or ""))
        shard = int(found[1]) if found else None
        parent = tasks.get(parent.parent_task_id)
    return StepFailure(_STAGE_OF[task.display_name], shard, _line(task.error))


def _line(error: Any) -> str:
    return " ".join(str(error.message or "").split()) if error is not None else ""
