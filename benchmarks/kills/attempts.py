"""A home in which one command is killed, and given again until it ends by itself."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import psutil

from benchmarks.kills.aims import START, Aim
from synthvlm.local.processes import is_alive
from synthvlm_pipelines.events import StageEvent, State
from synthvlm_pipelines.state import RunState
from tests.e2e.place import Place, RunEvents
from tests.e2e.victims import find_victim

Spans = Mapping[tuple[str, int], float]
"""Seconds that each stage of an undisturbed run takes on each shard, up to what begins next."""

MADE = {"images": "generate", "scores": "score"}
"""What is made once, and the stage that makes it."""

_POLL_SECONDS = 0.02
_GONE_SECONDS = 60.0


@dataclass
class Kill:
    """A kill that was done.

    Attributes:
        stage: The stage that had reported last, or ``start``.
        victim: Who was killed.
        done: Records that this stage had finished.
        at: When, on the monotonic clock.
        lost: Seconds until a later attempt stood there; None: none has.
    """

    stage: str
    victim: str
    done: int
    at: float
    lost: float | None = None

    def notice(self, state: RunState) -> None:
        """Takes the time when a later attempt, which stands at ``state``, has got as far."""
        progress = state.stages["import" if self.stage == START else self.stage]
        if self.lost is None and progress.latest and progress.done >= self.done:
            self.lost = time.monotonic() - self.at


@dataclass
class Attempt:
    """One time that the command was given.

    Attributes:
        state: Where the run stood at the end.
        begun: When, on the monotonic clock.
        timeline: Its events, and when each was seen.
        status: The exit status of the command, once it has ended.
        out: What it printed.
        err: What it said.
        seconds: How long it took.
        kills: What was done to it.
    """

    state: RunState = field(default_factory=RunState)
    begun: float = field(default_factory=time.monotonic)
    timeline: list[tuple[float, StageEvent]] = field(default_factory=list)
    status: int = 0
    out: str = ""
    err: str = ""
    seconds: float = 0.0
    kills: list[Kill] = field(default_factory=list)

    def take(self, events: Sequence[StageEvent]) -> None:
        """Takes events that were just seen."""
        for event in events:
            self.timeline.append((time.monotonic() - self.begun, event))
            self.state.apply(event)

    def due(self, aim: Aim, spans: Spans) -> str | None:
        """Whom to kill now: the first victim of ``aim``, its second, or nobody yet or any more."""
        if self.kills:
            over = len(self.kills) > 1 or time.monotonic() < self.kills[0].at + aim.pause
            return None if over else aim.victims[1]
        begun = 0.0 if aim.stage == START else self._begun(aim)
        if begun is None or time.monotonic() - self.begun < begun + aim.delay(spans):
            return None
        return aim.victims[0]

    def _begun(self, aim: Aim) -> float | None:
        beginnings = (
            at
            for at, event in self.timeline
            if (event.stage, event.shard) == (aim.stage, aim.shard)
        )
        return next(beginnings, None)

    def spans(self) -> Spans:
        """How long each stage took, when nothing was killed."""
        begun: dict[tuple[str, int], float] = {}
        spans: dict[tuple[str, int], float] = {}
        beginnings = [at for at, event in self.timeline if event.state is State.STARTED]
        for at, event in self.timeline:
            where = event.stage, event.shard
            if event.state is State.STARTED:
                begun[where] = at
            elif event.state is State.FINISHED:
                following = (other for other in beginnings if other >= at)
                spans[where] = next(following, self.seconds) - begun[where]
        spans[START, 0] = beginnings[0]
        return spans

    def answer(self) -> dict[str, Any]:
        """What it printed with ``--json``, when it has ended by itself."""
        answer: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return answer

    def last_line(self) -> str:
        """The line of its own that it said last; what follows is the end of a log."""
        lines = [line for line in self.err.splitlines() if line.startswith("synthvlm: ")]
        return lines[-1].partition(" (log: ")[0] if lines else ""

    def problem(self) -> str | None:
        """What is wrong with how it ended."""
        killed = [kill.victim for kill in self.kills]
        expected = [0, 1] if killed else [0]
        if "command" in killed:
            expected.append(-signal.SIGKILL)
        names = " and ".join(killed) or "nobody"
        if self.status not in expected:
            return f"ended with {self.status} ({names} killed): {self.last_line()}"
        if "Traceback" in self.err and "command" not in killed:
            return f"printed a traceback ({names} killed): {self.last_line()}"
        return None


@dataclass
class KilledHome:
    """One home, and what happened in it.

    Attributes:
        place: The home, and the command.
        kills: All kills.
        told: Images and scores that the attempts, all together, reported as made by themselves.
        problems: What went wrong.
        digest: Of the version that the last attempt made.
    """

    place: Place
    kills: list[Kill] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    digest: str = ""
    _processes: list[psutil.Process] = field(default_factory=list)

    def attempt(self, aim: Aim | None = None, spans: Spans | None = None) -> Attempt:
        """Gives the command, and kills as ``aim`` says unless it ends before."""
        attempt = Attempt()
        events = RunEvents(self.place.home)
        process = self.place.start(*self.place.run_command())
        command = psutil.Process(process.pid)
        while process.poll() is None:
            attempt.take(events.new())
            for kill in self.kills:
                kill.notice(attempt.state)
            if aim and spans and (victim := attempt.due(aim, spans)):
                attempt.take(events.new())
                self._kill(victim, command, attempt)
            time.sleep(_POLL_SECONDS)
        attempt.out, attempt.err = process.communicate()
        attempt.status, attempt.seconds = process.returncode, time.monotonic() - attempt.begun
        attempt.take(events.new())
        for noun, stage in MADE.items():
            self.told[noun] += attempt.state.stages[stage].made
        for kill in self.kills:
            kill.notice(attempt.state)
        # Only now: what a kill cost shows in the attempts after its own.
        self.kills += attempt.kills
        if problem := attempt.problem():
            self.problems.append(problem)
        return attempt

    def _kill(self, victim: str, command: psutil.Process, attempt: Attempt) -> None:
        """Kills the victim, unless it is not running, or not yet."""
        with suppress(psutil.NoSuchProcess):
            found = find_victim(victim, command)
            if found is None:
                return
            self._processes += command.children(recursive=True)
            found.kill()
            stage = attempt.timeline[-1][1].stage if attempt.timeline else START
            done = 0 if stage == START else attempt.state.stages[stage].done
            attempt.kills.append(Kill(stage, victim, done, time.monotonic()))

    def until_it_ends(
        self, aims: Iterable[Aim], spans: Spans, tell: Callable[[Attempt], None]
    ) -> Attempt:
        """Gives the command again and again: killed as ``aims`` say, at last undisturbed.

        Ends early when an attempt ends by itself, well or not. ``tell`` is called after each.
        """
        for aim in chain(aims, [None]):
            attempt = self.attempt(aim, spans)
            tell(attempt)
            if attempt.status == 0 or not attempt.kills or self.problems:
                break
        return attempt

    def compare(self, last: Attempt, undisturbed: Mapping[str, Any]) -> None:
        """Compares what the last attempt made with what an undisturbed run makes."""
        if last.status != 0:
            return  # which is a problem already
        answer = last.answer()
        self.digest = answer["digest"]
        for key in ("version", "digest", "counts"):
            if answer[key] != undisturbed[key]:
                self.problems.append(f"{key}: {answer[key]} instead of {undisturbed[key]}")
        for noun, made in undisturbed["made"].items():
            if answer["made"][noun] + answer["reused"][noun] != made:
                self.problems.append(f"{noun} made and reused are not {made} together")
            if self.told[noun] > made:
                self.problems.append(f"{self.told[noun] - made} {noun} were made twice")
        if left := self._left():
            self.problems.append(f"processes that outlive their run: {left}")

    def _left(self) -> list[int]:
        """Processes of killed runs that do not end."""
        deadline = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < deadline:
            left = [p.pid for p in self._processes if p.is_running() and is_alive(p.pid)]
            if not left:
                break
            time.sleep(_POLL_SECONDS)
        return left
