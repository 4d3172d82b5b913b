"""Where a run stands, put together from the events of its stages."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthvlm.report.record import Stage
from synthvlm_pipelines.events import StageEvent, State

STAGES: tuple[Stage, ...] = ("import", "curate", "generate", "score", "select", "assemble")
"""The stages of a dataset run, in its order."""

JOBS: tuple[Stage, ...] = ("train", "evaluate")
"""The stages that may follow, in their order."""


def stages_until(last: Stage) -> tuple[Stage, ...]:
    """The stages of a run that ends with ``last``, in its order."""
    every = (*STAGES, *JOBS)
    return every[: every.index(last) + 1]


def every_stage() -> tuple[Stage, ...]:
    """All stages that a run can have, in their order."""
    return ("find", *STAGES, *JOBS, "compare")


LOOPED = ("curate", "generate", "score")
"""Stages that run once per shard."""


@dataclass
class StageProgress:
    """Where one stage stands, all its shards together.

    Attributes:
        shards: Shards that it will work on; 0 until that is known.
        latest: The last event of each shard that it has begun.
        busy_before: Seconds in which at least one shard was worked on, up to the last pause.
        busy_since: When the current work began, on the clock of the run's state; None in a pause.
    """

    name: Stage
    shards: int = 0
    latest: dict[int, StageEvent] = field(default_factory=dict)
    busy_before: float = 0.0
    busy_since: float | None = None

    def apply(self, event: StageEvent, now: float) -> None:
        """Applies an event of this stage."""
        self.shards = event.shards
        self.latest[event.shard] = event
        if self.at_work and self.busy_since is None:
            self.busy_since = now
        elif not self.at_work and self.busy_since is not None:
            self.busy_before += now - self.busy_since
            self.busy_since = None

    @property
    def at_work(self) -> list[StageEvent]:
        """The last events of the shards that are being worked on."""
        events = (self.latest[shard] for shard in sorted(self.latest))
        return [event for event in events if event.state in (State.STARTED, State.RUNNING)]

    @property
    def done(self) -> int:
        """Records finished."""
        return sum(event.done for event in self.latest.values())

    @property
    def resumed(self) -> int:
        """Of ``done``, records that an earlier attempt had committed."""
        return sum(event.resumed for event in self.latest.values())

    @property
    def reused(self) -> int:
        """Of ``done``, records that were found in other shards."""
        return sum(event.reused for event in self.latest.values())

    @property
    def made(self) -> int:
        """Of ``done``, records that this run has made."""
        return max(0, self.done - self.resumed - self.reused)

    @property
    def total(self) -> int:
        """Records in all; 0 until that is known. Shards not yet begun count as the average."""
        known = [event.total for event in self.latest.values() if event.total]
        if not known:
            return 0
        return round(sum(known) / len(known) * max(self.shards, len(known)))

    @property
    def finished_shards(self) -> int:
        """Shards that are finished."""
        return sum(event.state is State.FINISHED for event in self.latest.values())

    @property
    def is_finished(self) -> bool:
        """Whether every shard is finished."""
        return 0 < self.shards == self.finished_shards

    def seconds(self, now: float) -> float:
        """Time up to ``now`` in which at least one of its shards was worked on."""
        return self.busy_before + (now - self.busy_since if self.busy_since is not None else 0.0)

    def rate(self, now: float) -> float:
        """Records per second of work, not counting those that were resumed."""
        seconds = self.seconds(now)
        return self.made / seconds if seconds > 0 else 0.0

    def seconds_left(self, now: float) -> float | None:
        """An estimate; None in a pause, and while there is nothing to estimate from."""
        rate = self.rate(now)
        if not self.at_work or not self.total or rate <= 0:
            return None
        return max(0, self.total - self.done) / rate


class RunState:
    """Where a run stands.

    Args:
        stages: Its stages, in their order.
        clock: Seconds that pass.
    """

    def __init__(
        self, stages: Sequence[Stage] = STAGES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.stages: dict[str, StageProgress] = {name: StageProgress(name) for name in stages}
        self.failure: StageEvent | None = None

    def apply(self, event: StageEvent) -> None:
        """Applies an event."""
        self.stages[event.stage].apply(event, self.clock())
        if event.stage in LOOPED:  # all of them work on the same shards
            for name in LOOPED:
                if name in self.stages:
                    self.stages[name].shards = event.shards
        if event.state is State.FAILED and self.failure is None:
            self.failure = event

    @property
    def is_finished(self) -> bool:
        """Whether every stage is finished."""
        return all(stage.is_finished for stage in self.stages.values())

    @property
    def warnings(self) -> list[str]:
        """What the import noticed in the caption files: said before images are paid for."""
        return [
            f"{warning['file']}: {warning['message']}"
            for result in self.results("import")
            for warning in result.get("warnings", [])
        ]

    def results(self, stage: str) -> list[dict[str, Any]]:
        """The results of a stage's finished shards, in their order; none of another run's stage."""
        if stage not in self.stages:
            return []
        latest = self.stages[stage].latest
        return [latest[s].result for s in sorted(latest) if latest[s].state is State.FINISHED]
