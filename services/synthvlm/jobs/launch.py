"""Starting a job on this machine, and following it. Loads no model library."""

import json
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path

from pydantic import BaseModel

from synthvlm.errors import DomainError, OperationCancelled
from synthvlm.jobs.events import JobEvent, State, parse_event
from synthvlm.parent_death import ending_with_parent

_TAIL_LINES = 30


class JobFailed(DomainError):
    """A job ended without a result; the ``code`` of its last event is in the metadata."""

    code = "ABORTED"
    reason = "JOB_FAILED"


def training_command(processes: int) -> list[str]:
    """The command that trains with so many processes on one machine; on a GPU one for each."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, *launcher, "-m", "synthvlm.training"]


def evaluation_command() -> list[str]:
    """The command that evaluates."""
    return [sys.executable, "-m", "synthvlm.evaluation"]


def run_job(
    name: str, command: Sequence[str], request: BaseModel
) -> Generator[JobEvent, None, JobEvent]:
    """Runs a job in processes of its own; yields what it tells of, and returns its last event.

    When the caller stops iterating, by whatever exception, or is killed, it saves what it has done
    and ends.

    Args:
        name: What errors call it.
        command: Its program; ``--request FILE`` is added.
        request: What it is asked to do.

    Raises:
        OperationCancelled: It was told to end; the same request goes on from there.
        JobFailed: It ended without a result; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="synthvlm-job-") as folder:
        file = Path(folder) / "request.json"
        file.write_text(json.dumps(request.model_dump(mode="json")), encoding="utf-8")
        with subprocess.Popen(
            ending_with_parent([*command, "--request", str(file)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as started:
            tail: deque[str] = deque(maxlen=_TAIL_LINES)
            try:
                last = yield from _followed(started, tail)
            finally:
                if started.poll() is None:
                    started.terminate()
                    # It still tells of what it does, and would fail if nobody listened.
                    for _ in started.stdout or ():
                        pass
    if last is not None and last.state is State.FINISHED:
        return last
    if last is not None and last.state is State.STOPPED:
        raise OperationCancelled(last.reason)
    if last is not None and last.state is State.FAILED:
        raise JobFailed(f"the {name} failed: {last.reason}", {"code": last.code})
    raise JobFailed(
        f"the {name} ended with status {started.returncode} and no word; the end of its output: "
        f"{''.join(tail).strip()}"
    )


def _followed(
    started: "subprocess.Popen[str]", tail: deque[str]
) -> Generator[JobEvent, None, JobEvent | None]:
    last: JobEvent | None = None
    for line in started.stdout or ():
        event = parse_event(line)
        if event is None:
            tail.append(line)
            continue
        last = event
        yield event
    return last
