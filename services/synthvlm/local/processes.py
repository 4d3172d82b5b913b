"""Service processes that this command starts, watches and ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from synthvlm.cli.failures import CommandError
from synthvlm.local.health import is_serving
from synthvlm.local.home import Home
from synthvlm.local.parent_death import leashed

READY_SECONDS = 600.0
"""How long a service may take to load its model."""

DRAIN_SECONDS = 10.0
"""How long running calls have to finish; what they lose is redone by the next run."""

_TAIL_LINES = 8
_TAIL_BYTES = 65_536
_POLL_SECONDS = 0.1


class ServiceState(StrEnum):
    """How far a service has come."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    ENDED = "ended"


@dataclass
class ServiceProcess:
    """A service that runs as a child process."""

    word: str
    process: subprocess.Popen[bytes]
    address_file: Path
    log: Path
    log_start: int
    address: str = ""
    state: ServiceState = ServiceState.STARTING

    def refresh(self) -> None:
        """Looks how far the service has come."""
        if self.process.poll() is not None:
            self.state = ServiceState.ENDED
            return
        if not self.address and self.address_file.exists():
            self.address = json.loads(self.address_file.read_text())["address"]
            self.state = ServiceState.LOADING
        if self.state is ServiceState.LOADING and is_serving(self.address):
            self.state = ServiceState.READY

    def ended_error(self) -> CommandError:
        """What to tell when the service has ended by itself."""
        status = self.process.returncode
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return CommandError(
            f"the {self.word} service {how}", log=self.log, tail=log_tail(self.log, self.log_start)
        )


def start_service(
    word: str,
    home: Home,
    profile: str,
    address_file: Path,
    settings: Sequence[str],
    module: str | None = None,
) -> ServiceProcess:
    """Starts the service ``word``; it ends when this process does.

    Args:
        word: Its word, under which it is shown and logs.
        home: Where its log lies.
        profile: The profile that it runs.
        address_file: The file that it writes its address to.
        settings: Options of its command line.
        module: The module that is run; None: the service's own.
    """
    log = home.log(word)
    log_start = log.stat().st_size if log.exists() else 0
    address_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", module or f"synthvlm.{word}", "--profile", profile),
        *("--listen", "127.0.0.1:0", "--address-file", str(address_file)),
        *("--drain-seconds", str(DRAIN_SECONDS), *settings),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            leashed(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Several services share the cores: threads that spin while they wait for one another
            # would take them from the others (measured: 3 to 5 times slower on a busy machine).
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
            # Ctrl-C in a terminal goes to the command alone, which then drains its services.
            start_new_session=True,
        )
    return ServiceProcess(word, process, address_file, log, log_start)


def wait_ready(
    services: Sequence[ServiceProcess], on_change: Callable[[Sequence[ServiceProcess]], None]
) -> None:
    """Waits until every service is ready, and tells of every step on the way.

    Raises:
        CommandError: A service ended, or took too long.
    """
    deadline = time.monotonic() + READY_SECONDS
    before: list[ServiceState] = []
    while True:
        for service in services:
            service.refresh()
        states = [service.state for service in services]
        if states != before:
            on_change(services)
            before = states
        for service in services:
            if service.state is ServiceState.ENDED:
                raise service.ended_error()
        if all(state is ServiceState.READY for state in states):
            return
        if time.monotonic() > deadline:
            slow = next(s for s in services if s.state is not ServiceState.READY)
            raise CommandError(
                f"the {slow.word} service is not ready after {READY_SECONDS:.0f} s", log=slow.log
            )
        time.sleep(_POLL_SECONDS)


def stop_services(services: Sequence[ServiceProcess]) -> None:
    """Drains the services and waits for their end; one that does not end in time is killed."""
    for service in services:
        if service.process.poll() is None:
            service.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + DRAIN_SECONDS + 5
    for service in services:
        try:
            service.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(service.process.pid, signal.SIGKILL)  # it leads a group: what it started, too
            service.process.wait()
        service.address_file.unlink(missing_ok=True)


def log_tail(log: Path, start: int) -> str:
    """The last lines of a log after byte ``start``, indented; JSON lines by their message."""
    with log.open("rb") as file:
        # A service that ran for weeks has written more than the memory holds.
        file.seek(max(start, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {_readable(line)}" for line in lines[-_TAIL_LINES:])


def _readable(line: str) -> str:
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return line
    if not isinstance(content, dict) or "event" not in content:
        return line
    shown = [str(content["event"]), str(content.get("problem") or content.get("error") or "")]
    return f"{content.get('level', '')}: {'; '.join(part for part in shown if part)}".strip(": ")


def is_alive(pid: int) -> bool:
    """Whether the process ``pid`` runs; one that has ended, but not been waited for, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
