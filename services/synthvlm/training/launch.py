"""Starting a training on this machine, and following it. Loads no model library."""

import json
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator
from pathlib import Path

from synthvlm.errors import DomainError, OperationCancelled
from synthvlm.training.events import State, TrainingEvent, parse_event
from synthvlm.training.request import TrainingRequest

_TAIL_LINES = 30


class TrainingFailed(DomainError):
    """A training ended without a model; ``code`` of its event is in the metadata."""

    code = "UNKNOWN"
    reason = "TRAINING_FAILED"


def command(request_file: Path, processes: int) -> list[str]:
    """The command line that trains with some processes on one machine.

    Args:
        request_file: The request as JSON.
        processes: How many; on a GPU one for each.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    module = ["-m", "synthvlm.training", "--request", str(request_file)]
    return [*launcher, str(processes), *module]


def run_training(
    request: TrainingRequest, processes: int = 1
) -> Generator[TrainingEvent, None, TrainingEvent]:
    """Trains in processes of their own; yields what they tell of, and returns the last event.

    A caller that stops iterating, by whatever exception, has them save a checkpoint and end.

    Args:
        request: What to train.
        processes: How many train together.

    Raises:
        OperationCancelled: They were told to end; the same request goes on from there.
        TrainingFailed: They ended without a model; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="synthvlm-training-") as folder:
        file = Path(folder) / "request.json"
        file.write_text(json.dumps(request.model_dump(mode="json")), encoding="utf-8")
        with subprocess.Popen(
            command(file, processes),
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
                    # They still tell of what they do, and would fail if nobody listened.
                    for _ in started.stdout or ():
                        pass
    if last is not None and last.state is State.FINISHED:
        return last
    if last is not None and last.state is State.STOPPED:
        raise OperationCancelled(last.reason)
    if last is not None and last.state is State.FAILED:
        raise TrainingFailed(f"the training failed: {last.reason}", {"code": last.code})
    raise TrainingFailed(
        f"the training ended with status {started.returncode} and no word; the end of its output: "
        f"{''.join(tail).strip()}"
    )


def _followed(
    started: "subprocess.Popen[str]", tail: deque[str]
) -> Generator[TrainingEvent, None, TrainingEvent | None]:
    last: TrainingEvent | None = None
    for line in started.stdout or ():
        event = parse_event(line)
        if event is None:
            tail.append(line)
            continue
        last = event
        yield event
    return last
