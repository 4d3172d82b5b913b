"""A job as a caller starts it, and how it can end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pydantic import BaseModel

from synthvlm.errors import OperationCancelled
from synthvlm.jobs.events import JobEvent, State
from synthvlm.jobs.launch import JobFailed, run_job


class Request(BaseModel):
    parts: int = 3


def program(body: str) -> list[str]:
    """A job whose request is ``asked`` and that can ``tell`` of a ``State``."""
    lines = [
        "import json, os, sys, time",
        "from synthvlm.jobs.events import JobEvent, State, emit",
        "asked = json.load(open(sys.argv[sys.argv.index('--request') + 1]))",
        "tell = lambda state, **more: emit(JobEvent(state, **more))",
        body,
    ]
    return [sys.executable, "-c", "\n".join(lines)]


def test_what_it_tells_is_followed_to_its_end() -> None:
    body = (
        "for n in range(asked['parts']): tell(State.RUNNING, done=n + 1, total=asked['parts'])\n"
        "print('some library says this')\n"
        "tell(State.FINISHED, values={'path': 'x'})"
    )
    events = list(run_job("job", program(body), Request()))
    assert [(event.done, event.total) for event in events[:-1]] == [(1, 3), (2, 3), (3, 3)]
    assert events[-1] == JobEvent(State.FINISHED, values={"path": "x"})


@pytest.mark.parametrize(
    ("body", "error", "problem"),
    [
        ("tell(State.FAILED, reason='no room'); sys.exit(1)", JobFailed, "the job failed: no room"),
        ("tell(State.STOPPED, reason='goes on'); sys.exit(143)", OperationCancelled, "goes on"),
        ("print('the rest'); sys.exit(247)", JobFailed, "status 247 and no word.*the rest"),
    ],
)
def test_an_end_without_a_result(body: str, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        list(run_job("job", program(body), Request()))


def test_it_ends_when_its_caller_stops_listening() -> None:
    job = run_job(
        "job", program("tell(State.RUNNING, done=os.getpid()); time.sleep(600)"), Request()
    )
    process = psutil.Process(next(job).done)
    job.close()
    psutil.wait_procs([process], timeout=30)
    assert not process.is_running()


def test_it_ends_when_its_caller_is_killed(tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    caller = (
        "from synthvlm.jobs.launch import run_job\n"
        "from tests.jobs.test_launch import Request, program\n"
        f"next(run_job('job', program({body!r}), Request()))"
    )
    with subprocess.Popen([sys.executable, "-c", caller], cwd=Path(__file__).parents[2]) as started:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process = psutil.Process(int((tmp_path / "pid").read_text()))
        os.kill(started.pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=30)
    assert not process.is_running()
