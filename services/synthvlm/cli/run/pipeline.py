"""Running the pipeline in a process of its own, and following it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthvlm.cli.failures import (
    FAILURE_STATUS,
    FULL_DISK_ADVICE,
    USAGE_STATUS,
    CommandError,
    full_disk,
)
from synthvlm.disk_space import says_disk_is_full
from synthvlm.local.logs import log_tail
from synthvlm.local.services import Services
from synthvlm.parent_death import ending_with_parent
from synthvlm.report.record import Stage
from synthvlm_pipelines.connection import RUN_ID_VARIABLE, TOKEN_VARIABLE
from synthvlm_pipelines.events import PROGRESS_FILE, EventReader
from synthvlm_pipelines.nothing_left import why_nothing_is_left
from synthvlm_pipelines.state import RunState, stages_until

RESUME_ADVICE = "run the same command again to resume where this one stopped"

_POLL_SECONDS = 0.1
_SETTLE_SECONDS = 1.0
_INPUT_CODES = ("INVALID_ARGUMENT", "NOT_FOUND")


def run_pipeline(
    arguments: dict[str, Any],
    services: Services,
    folder: Path,
    on_change: Callable[[RunState], None],
    last: Stage = "assemble",
) -> RunState:
    """Runs the dataset pipeline to its end, or the one up to the selection.

    Args:
        arguments: The pipeline's arguments, by name.
        services: The services that it calls; the run ends when one of them does.
        folder: The run's folder: gets ``arguments.json``, ``progress.jsonl`` and ``pipeline.log``.
        on_change: Called with the run's state when it has changed, and from time to time.
        last: The stage that the arguments end with.

    Raises:
        CommandError: A stage failed, or a service or the pipeline's process ended.
    """
    arguments_file, log = folder / "arguments.json", folder / "pipeline.log"
    arguments_file.write_text(json.dumps(arguments, indent=2, sort_keys=True))
    progress = folder / "progress.jsonl"
    command = [
        *(sys.executable, "-m", "synthvlm_pipelines", "run"),
        *("--arguments", str(arguments_file), "--root", str(folder / "kfp")),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ending_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                PROGRESS_FILE: str(progress),
                RUN_ID_VARIABLE: folder.name,
                **_token(services),
                "PYTHONUNBUFFERED": "1",
            },
            start_new_session=True,
        )
    try:
        state = RunState(stages_until(last))
        return _follow(process, state, EventReader(progress), services, log, on_change)
    finally:
        _end(process)


def _token(services: Services) -> dict[str, str]:
    return {TOKEN_VARIABLE: str(services.token_file)} if services.token_file is not None else {}


def _follow(
    process: "subprocess.Popen[bytes]",
    state: RunState,
    events: EventReader,
    services: Services,
    log: Path,
    on_change: Callable[[RunState], None],
) -> RunState:
    while True:
        status = process.poll()  # before the events, so that its last ones are read too
        for event in events.new():
            state.apply(event)
        on_change(state)
        ended = services.ended()
        if ended is None and state.failure is not None:
            ended = _ended_soon(
                services
            )  # a call often fails before its service is seen to be gone
        if ended is not None:
            raise full_disk(log.parent, "") or CommandError(
                f"the {ended} service ended during the run; {RESUME_ADVICE}", log=log
            )
        if state.failure is not None:
            raise _stage_error(state, log)
        if status is not None:
            if state.is_finished:  # if the exit step failed, the report is made without it
                return state
            raise _process_error(state, status, log)
        time.sleep(_POLL_SECONDS)


def _ended_soon(services: Services) -> str | None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (ended := services.ended()) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return ended


def _stage_error(state: RunState, log: Path) -> CommandError:
    failure = state.failure
    if failure is None:
        raise ValueError("no stage has failed")
    if failure.stage == "import" and failure.code in _INPUT_CODES:
        return CommandError(failure.reason, status=USAGE_STATUS)
    if why := why_nothing_is_left(state):
        return CommandError(why, log=log)
    if says_disk_is_full(failure.reason):
        advice = f"; {FULL_DISK_ADVICE}"
        return CommandError(f"the stage {failure.stage} failed: {failure.reason}{advice}", log=log)
    where = f" on shard {failure.shard + 1} of {failure.shards}" if failure.shards > 1 else ""
    return CommandError(
        f"the stage {failure.stage} failed{where}: {failure.reason}", status=FAILURE_STATUS, log=log
    )


def _process_error(state: RunState, status: int, log: Path) -> CommandError:
    if status < 0:
        return CommandError(
            f"the pipeline's process was killed by signal {-status}; {RESUME_ADVICE}", log=log
        )
    if full := full_disk(log.parent, log.read_text(errors="replace")):
        return full
    # Only a step that was killed has reported neither a result nor a failure.
    for event in (event for stage in state.stages.values() for event in stage.at_work):
        where = f" on shard {event.shard + 1} of {event.shards}" if event.shards > 1 else ""
        return CommandError(
            f"the step of the stage {event.stage} ended without a result{where}; {RESUME_ADVICE}",
            log=log,
        )
    return CommandError(
        f"the pipeline ended with status {status}; {RESUME_ADVICE}", log=log, tail=log_tail(log, 0)
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends what is left of the pipeline: its steps are in its process group."""
    with suppress(ProcessLookupError):  # nothing is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
