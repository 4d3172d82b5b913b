"""Programs in the background, each ended by exactly the process that was started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any


def poll(what: str, done: Callable[[], Any], timeout: float = 60, every: float = 0.1) -> Any:
    """Calls ``done`` until what it returns is true; that.

    Raises:
        TimeoutError: It was not within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        if result := done():
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(every)


def spawn(
    directory: Path, name: str, argv: Sequence[object], env: Mapping[str, str] | None = None
) -> None:
    """Starts a program; its log and its pid's file are named after it."""
    with (directory / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=directory,
            env=env,
        )
    (directory / f"{name}.pid").write_text(f"{process.pid} {_started(process.pid)}\n")


def recorded(pid_file: Path) -> int | None:
    """The pid in ``pid_file`` while that very process still runs."""
    try:
        pid, started = pid_file.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _started(int(pid)) == started else None


def stop(pid_file: Path, grace: float = 10) -> None:
    """Ends the process that ``pid_file`` records, if it still is that process."""
    deadline = time.monotonic() + grace
    signalled = None
    while pid := recorded(pid_file):
        wanted = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        if wanted is not signalled:
            os.kill(pid, wanted)
            signalled = wanted
        time.sleep(0.02)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    pid_file.unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _started(pid: int) -> str | None:
    """When the kernel started ``pid``: with the pid it names a process beyond doubt."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]
