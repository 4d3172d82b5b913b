"""Showing the progress of a run: a live table on a terminal, else a plain line now and then."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from synthvlm.cli.terminal.output import Terminal, styled
from synthvlm.local.processes import ServiceProcess, ServiceState
from synthvlm_pipelines.events import StageEvent
from synthvlm_pipelines.state import RunState, StageProgress

PLAIN_SECONDS = 5.0
"""Least time between two plain lines about a stage that makes progress."""

IDLE_SECONDS = 60.0
"""Least time between two plain lines about a stage that makes none."""


class Display(Protocol):
    """Shows services starting and stages at work."""

    def services(self, services: Sequence[ServiceProcess]) -> None:
        """Shows the services' states."""

    def run(self, state: RunState) -> None:
        """Shows where the run stands."""

    def close(self) -> None:
        """Leaves what was shown as it is."""


def display_on(console: Terminal) -> Display:
    """A live table when ``console`` is a terminal, else plain lines."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class LiveDisplay:
    """One table, redrawn in place."""

    def __init__(self, console: Terminal) -> None:
        self._console = console
        self._warned = 0
        self._live = Live(console=console, refresh_per_second=8)
        self._live.start()

    def services(self, services: Sequence[ServiceProcess]) -> None:
        """Shows the services' states."""
        self._live.update(services_table(services))

    def run(self, state: RunState) -> None:
        """Shows where the run stands; warnings stay above the table."""
        self._warned = _warn(self._console, state, self._warned)
        self._live.update(run_table(state))

    def close(self) -> None:
        """Leaves the last table on the screen."""
        self._live.stop()


class PlainDisplay:
    """A line when something changes, and now and then during work."""

    def __init__(self, console: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._services: dict[str, ServiceState] = {}
        self._said: dict[str, tuple[int, int, float]] = {}
        self._warned = 0

    def services(self, services: Sequence[ServiceProcess]) -> None:
        """Says which services have changed state."""
        for service in services:
            if self._services.get(service.word) is not service.state:
                self._services[service.word] = service.state
                self._line(f"{service.word} service: {service.state} {service.address}".rstrip())

    def run(self, state: RunState) -> None:
        """Says where those stages stand that have news."""
        self._warned = _warn(self._console, state, self._warned)
        now = self._clock()
        for stage in state.stages.values():
            if not stage.latest:
                continue
            finished, done, said = self._said.get(stage.name, (-1, -1, now))
            pause = PLAIN_SECONDS if stage.done != done else IDLE_SECONDS
            is_due = bool(stage.at_work) and now - said >= pause
            if stage.finished_shards != finished or is_due:
                self._said[stage.name] = (stage.finished_shards, stage.done, now)
                self._line(stage_line(stage, state.clock()))

    def close(self) -> None:
        """Does nothing."""

    def _line(self, text: str) -> None:
        self._console.say(text)


def _warn(console: Terminal, state: RunState, said: int) -> int:
    """Says the warnings that are new; how many there are now."""
    for warning in state.warnings[said:]:
        console.say(styled("warning: ", "yellow"), warning)
    return len(state.warnings)


def services_table(services: Sequence[ServiceProcess]) -> Table:
    """A table of services, their states and addresses."""
    table = Table("service", "state", "address", box=None)
    styles = {ServiceState.READY: "green", ServiceState.ENDED: "red"}
    for service in services:
        style = styles.get(service.state, "yellow")
        table.add_row(service.word, styled(service.state, style), service.address)
    return table


def run_table(state: RunState) -> Table:
    """A table of stages: shards, records, rate and time left."""
    table = Table("stage", "shards", "", "done", "rate", "left", box=None)
    now = state.clock()
    for stage in state.stages.values():
        bar = ProgressBar(total=stage.total or None, completed=stage.done, width=24)
        if not stage.latest:
            table.add_row(styled(stage.name, "dim"), "", "", "", "", "")
        else:
            shards = f"{stage.finished_shards}/{stage.shards or '?'}"
            table.add_row(
                stage.name, shards, bar, _done(stage), _rate(stage, now), _left(stage, now)
            )
            for event in stage.at_work if stage.shards > 1 else []:
                table.add_row("", styled(f"#{event.shard + 1}", "dim"), "", _records(event), "", "")
    return table


def stage_line(stage: StageProgress, now: float) -> str:
    """One line about a stage.

    For example ``generate: 1/3 shards, 120/480 (40 resumed), 5.1/s, 1:11 left [#2 60/160]``.
    """
    parts = [f"{stage.finished_shards}/{stage.shards or '?'} shards", _done(stage)]
    parts += [part for part in (_rate(stage, now), _left(stage, now)) if part]
    shards = ""
    if stage.shards > 1:
        shards = ", ".join(f"#{event.shard + 1} {_records(event)}" for event in stage.at_work)
    return f"{stage.name}: {', '.join(parts)}{f' [{shards}]' if shards else ''}"


def duration(seconds: float) -> str:
    """``h:mm:ss`` or ``m:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _done(stage: StageProgress) -> str:
    text = f"{stage.done:,}/{stage.total:,}" if stage.total else f"{stage.done:,}"
    counts = {"resumed": stage.resumed, "reused": stage.reused}
    found = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"{text} ({found})" if found else text


def _records(event: StageEvent) -> str:
    return f"{event.done:,}/{event.total:,}" if event.total else f"{event.done:,}"


def _rate(stage: StageProgress, now: float) -> str:
    rate = stage.rate(now)
    return f"{rate:,.1f}/s" if rate else ""


def _left(stage: StageProgress, now: float) -> str:
    if stage.is_finished:
        return f"took {duration(stage.seconds(now))}"
    left = stage.seconds_left(now)
    return "" if left is None else f"{duration(left)} left"
