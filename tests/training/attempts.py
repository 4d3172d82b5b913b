"""Attempts at a training, in processes of their own that can be killed.

Processes are forked from one that has loaded the libraries already, which takes seconds. Each gets
the environment that ``torch.distributed.run`` would give it.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from synthvlm.jobs.events import JobEvent, parse_event
from synthvlm.training.request import DatasetVersion, TrainingRequest

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["synthvlm.training.stages"])
_SECONDS = 300

TINY = {
    "dtype": "float32",
    "checkpoint_every": 2,
    "pretrain": {"steps": 4, "global_batch": 4, "micro_batch": 2},
    "finetune": {"steps": 5, "global_batch": 4, "micro_batch": 2},
}
"""Settings of a training of nine steps."""

STEPS = 9


def tiny_request(version, store, **changes) -> TrainingRequest:
    """A request for a tiny training on a dataset version."""
    dataset = DatasetVersion(store=version.store, path=version.path, digest=version.digest)
    return TrainingRequest(dataset=dataset, store=store.uri, training={**TINY, **changes})


@dataclass
class Attempt:
    """What became of an attempt.

    Attributes:
        statuses: Exit status of each process; negative: the signal that killed it.
        events: What the first process has told.
        output: All that was written to stdout and stderr.
    """

    statuses: list[int | None]
    events: list[JobEvent] = field(default_factory=list)
    output: str = ""


def attempt(
    request: TrainingRequest,
    folder: Path,
    processes: int = 1,
    *,
    kill_at_upload: int | None = None,
    signal_at: tuple[int, signal.Signals] | None = None,
) -> Attempt:
    """Runs the training until it ends.

    Args:
        request: What to train.
        folder: For its output.
        processes: How many train together.
        kill_at_upload: SIGKILL of the first process in the middle of writing this file of a
            checkpoint or model, counted from 0.
        signal_at: A signal to all processes, as soon as so many steps are told of.
    """
    file, port = folder / "request.json", _free_port()
    file.write_text(request.model_dump_json())
    logs = [folder / f"rank-{rank}.log" for rank in range(processes)]
    started = [
        _FORKS.Process(
            target=_work,
            args=(file, rank, processes, port, log, None if rank else kill_at_upload),
        )
        for rank, log in enumerate(logs)
    ]
    for process in started:
        process.start()
    deadline = time.monotonic() + _SECONDS
    while any(process.is_alive() for process in started):
        if time.monotonic() > deadline:
            _signal_all(started, signal.SIGKILL)
        if signal_at is not None and _steps(logs[0]) >= signal_at[0]:
            _signal_all(started, signal_at[1])
            signal_at = None
        if any(process.exitcode not in (None, 0) for process in started):
            # As the launcher does once one of them has died.
            _end(started)
        time.sleep(0.005)
    output = "".join(log.read_text() for log in logs)
    return Attempt([one.exitcode for one in started], _events(logs[0]), output)


def _work(file, rank, processes, port, log, kill_at_upload) -> None:
    from synthvlm.training import __main__ as training

    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(processes),
        LOCAL_WORLD_SIZE=str(processes),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    if processes == 1:
        del os.environ["WORLD_SIZE"], os.environ["RANK"], os.environ["LOCAL_RANK"]
    if kill_at_upload is not None:
        _die_at_upload(kill_at_upload)
    sys.argv = ["synthvlm.training", "--request", str(file)]
    with log.open("w", buffering=1) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            sys.exit(training.main())


def _die_at_upload(number: int) -> None:
    """Ends this process with a half of its n-th file stored under the file's name."""
    from synthvlm.storage import Store

    upload, left = Store.upload, [number]

    def upload_or_die(self, path, local):
        if left[0] == 0:
            data = local.read_bytes()
            self.write(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        upload(self, path, local)

    Store.upload = upload_or_die  # type: ignore[method-assign]


def _end(started) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(process.is_alive() for process in started):
        time.sleep(0.05)
        if any(process.exitcode is not None and process.exitcode < 0 for process in started):
            break
    _signal_all(started, signal.SIGKILL)
    for process in started:
        process.join()


def _signal_all(started, number) -> None:
    for process in started:
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _events(log: Path) -> list[JobEvent]:
    if not log.exists():
        return []
    lines = log.read_text().splitlines()
    return [event for line in lines if (event := parse_event(line)) is not None]


def _steps(log: Path) -> int:
    return max((event.done for event in _events(log)), default=0)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
