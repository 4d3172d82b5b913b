"""What a user is told of a run on a server."""

import os
from pathlib import Path
from typing import Any

from synthvlm.cli.failures import CommandError
from synthvlm.cli.terminal.output import (
    Terminal,
    print_json,
    stderr_console,
    stdout_console,
    styled,
)
from synthvlm.errors import DomainError, NotFound
from synthvlm.report.outcome import Outcome, run_folder
from synthvlm.submission.following import StageCount, Standing
from synthvlm.submission.results import fetch_outcome, fetch_report
from synthvlm.submission.runs import CANCELED, FAILED, SUCCEEDED
from synthvlm.submission.uploads import shared_store

PAGE_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"
"""Names the address of the server's pages, where it is another one; KFP's own client reads it."""

GOES_ON = "the same command goes on where it stopped, and makes nothing twice"

_TOLD = {
    *("failure", "resume", "counts", "made", "reused"),
    *("selection", "version", "model", "evaluation"),
}
"""What programs are told of a run's outcome."""


class Sent:
    """A run that was sent, and what is told of it.

    Args:
        name: Its name.
        run_id: The server's name for it.
        host: The server.
        adopted: Whether it was there.
        as_json: Whether the result is printed for programs.
    """

    def __init__(self, name: str, run_id: str, host: str, *, adopted: bool, as_json: bool) -> None:
        self.name = name
        self.run_id = run_id
        page = os.environ.get(PAGE_VARIABLE) or host
        self.url = f"{page.rstrip('/')}/#/runs/details/{run_id}"
        self._as_json = as_json
        self._adopted = adopted
        self._told: dict[str, StageCount] = {}
        self._state = ""
        self._progress = stderr_console()

    def begin(self) -> None:
        """Says that it was sent, or found."""
        verb = "is there already" if self._adopted else "was sent"
        self._progress.say("the run ", styled(self.name, "bold"), f" {verb}: {self.url}")

    def standing(self, standing: Standing) -> None:
        """Says what has changed: a line a stage."""
        if standing.state not in (self._state, SUCCEEDED, FAILED, CANCELED):
            self._progress.say(f"the run is {standing.state.lower()}")
        self._state = standing.state
        for stage, count in standing.stages.items():
            if self._told.get(stage) != count:
                self._told[stage] = count
                self._progress.say(f"{stage}: {count}")

    def left(self) -> None:
        """Says how to follow a run that was not waited for."""
        if self._as_json:
            print_json(self._content("SENT"))
            return
        stdout_console().say(f"follow it by the same command without --no-wait, or at {self.url}")

    def end(self, run: Any, standing: Standing, store_uri: str, folder: Path) -> None:
        """Tells how it ended.

        Args:
            run: The run, as the server has it.
            standing: Where it stands.
            store_uri: Where its last step has left what it made.
            folder: Where its page is copied to.

        Raises:
            CommandError: It did not succeed.
        """
        result = self._result(run.created_at, store_uri)
        report = self._report(store_uri, folder) if result is not None else None
        if self._as_json:
            print_json(self._content(standing.state, result, report))
        if standing.state == SUCCEEDED:
            if not self._as_json:
                self._success(stdout_console(), result, report)
            return
        raise CommandError(
            f"the run {self.name} {_ending(standing, result)}; "
            f"{_resume(result)}{'' if report is None else f' (report: {report})'}"
        )

    def _result(self, since: Any, store_uri: str) -> Outcome | None:
        try:
            return fetch_outcome(shared_store(store_uri), self.name, since)
        except DomainError as error:
            self._warn(f"the run's outcome cannot be read: {error.message}")
            return None

    def _report(self, store_uri: str, folder: Path) -> Path | None:
        try:
            return fetch_report(shared_store(store_uri), self.name, folder)
        except NotFound:
            place = f"{run_folder(self.name)}/report.html"
            self._warn(f"the run has left no page at {place} in {store_uri}")
            return None

    def _warn(self, problem: str) -> None:
        self._progress.say(styled("warning: ", "yellow"), problem)

    def _content(
        self, state: str, result: Outcome | None = None, report: Path | None = None
    ) -> dict[str, Any]:
        told = {} if result is None else result.model_dump(mode="json", include=_TOLD)
        return {
            "run": self.name,
            "run_id": self.run_id,
            "url": self.url,
            "adopted": self._adopted,
            "state": state,
            **told,
            "report": None if report is None else str(report),
        }

    def _success(self, console: Terminal, result: Outcome | None, report: Path | None) -> None:
        if result is None:
            console.say(f"the run {self.name} succeeded")
            return
        if result.version is not None:
            version = result.version
            name = styled(f"{version.name}@{version.version}", "bold")
            console.say(name, f" has {version.pairs:,} pairs")
            console.say(f"digest  {version.digest}")
        elif result.selection is not None:
            console.say(f"the selection {result.selection.path} is to be verified by people")
        if any(result.reused.values()):
            parts = [
                f"{made:,} {noun} made, {result.reused.get(noun, 0):,} reused"
                for noun, made in result.made.items()
            ]
            console.say("; ".join(parts))
        for what, shard in (("model", result.model), ("evaluation", result.evaluation)):
            if shard is not None:
                console.say(f"{what}  {shard.path}")
        if report is not None:
            console.say(f"report  {report}")


def _ending(standing: Standing, result: Outcome | None) -> str:
    if standing.state == CANCELED:
        return "was canceled"
    failure = None if result is None else result.failure
    if failure is None and standing.failure is not None:
        step = standing.failure
        where = "" if step.shard is None else f" on shard {step.shard + 1}"
        reason = step.reason or "the server does not say why; see the log of its step"
        return f"failed: the stage {step.stage} failed{where}: {reason}"
    if failure is not None:
        return f"failed: {failure.text()}"
    return f"ended as {standing.state.lower()}: {standing.error or 'the server does not say why'}"


def _resume(result: Outcome | None) -> str:
    return GOES_ON if result is None or not result.resume else f"`{result.resume}` goes on"
