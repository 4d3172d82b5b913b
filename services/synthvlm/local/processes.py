"""Servers in processes of their own, which this process starts, watches and stops."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from synthvlm.local.errors import ProcessFailed
from synthvlm.local.health import is_serving
from synthvlm.local.logs import log_tail
from synthvlm.parent_death import ending_with_parent

READY_SECONDS = 600.0
"""How long a server may take to load its model."""

DRAIN_SECONDS = 10.0
"""How long running calls have to finish; the next run redoes what they lose."""

_POLL_SECONDS = 0.1


class ServiceState(StrEnum):
    """How far a server has got."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    ENDED = "ended"


@dataclass
class ServiceProcess:
    """A service, or the Triton server beside it, in a process group of its own.

    Attributes:
        word: The name under which it is shown.
        process: The leader of the group.
        address_file: Where it writes its address once it listens.
        log: Its stdout and stderr.
        log_start: Size of the log before it started, in bytes.
        address: Empty until it is known.
        page: Address of its web page; empty until it is known, or if it has none.
        settings: Those that decide what it does, as it says itself; empty until they are known.
        state: As of the last ``refresh``.
    """

    word: str
    process: "subprocess.Popen[bytes]"
    address_file: Path
    log: Path
    log_start: int
    address: str = ""
    page: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    state: ServiceState = ServiceState.STARTING

    def refresh(self) -> None:
        """Updates address and state."""
        if self.process.poll() is not None:
            self.state = ServiceState.ENDED
            return
        if not self.address and self.address_file.exists():
            content = json.loads(self.address_file.read_text())
            self.address, self.settings = content["address"], content.get("settings", {})
            self.page = content.get("page", "")
            self.state = ServiceState.LOADING
        if self.state is ServiceState.LOADING and is_serving(self.address):
            self.state = ServiceState.READY

    def ended_error(self) -> ProcessFailed:
        """The error for its unexpected end."""
        status = self.process.returncode
        how = (
            f"was killed by signal {-status}; run the same command again"
            if status < 0
            else f"ended with status {status}"
        )
        return ProcessFailed(
            f"the {self.word} service {how}", self.log, log_tail(self.log, self.log_start)
        )

    def ask_to_end(self) -> None:
        """Sends SIGTERM, which makes it drain; does not wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait_ended(self, seconds: float) -> int:
        """Waits for it to end, kills it if that takes too long, and returns the exit status."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self.address_file.unlink(missing_ok=True)
        return self.process.returncode

    def kill(self) -> None:
        """Kills it, and what it has started, with SIGKILL."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


OnChange = Callable[[Sequence[ServiceProcess]], None]


def silent(services: Sequence[ServiceProcess]) -> None:
    """Ignores changes of state."""
    del services


def start_process(
    word: str,
    module: str,
    options: Sequence[str],
    *,
    address_file: Path,
    log: Path,
    listen: str = "127.0.0.1:0",
    environment: Mapping[str, str] | None = None,
) -> ServiceProcess:
    """Starts ``python -m module`` as a server that ends when this process does.

    Args:
        word: The name under which it is shown.
        module: A service, or ``synthvlm.generation.triton``.
        options: Its command line, besides ``--listen`` and ``--address-file``.
        address_file: The file that it writes its address to.
        log: The file to which its output is appended.
        listen: The address to listen on.
        environment: Its environment; None: this process's.
    """
    log_start = log.stat().st_size if log.exists() else 0
    address_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, "--listen", listen]
    command += ["--address-file", str(address_file), *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            ending_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Several services share the cores: threads that spin while they wait for one another
            # would take them from the others (measured: 3 to 5 times slower on a busy machine).
            env={
                "OMP_WAIT_POLICY": "PASSIVE",
                **(os.environ if environment is None else environment),
            },
            # Ctrl-C in a terminal goes to the command alone, which then drains its services.
            start_new_session=True,
        )
    return ServiceProcess(word, process, address_file, log, log_start)


def wait_ready(services: Sequence[ServiceProcess], on_change: OnChange = silent) -> None:
    """Waits until every server is ready, reporting each change of state.

    Raises:
        ProcessFailed: A server ended, or took too long.
    """
    wait_for(services, ServiceState.READY, on_change)


def wait_for(
    services: Sequence[ServiceProcess], wanted: ServiceState, on_change: OnChange = silent
) -> None:
    """Waits until every server has reached the state ``wanted``: listening, or ready.

    Raises:
        ProcessFailed: A server ended, or took too long.
    """
    enough = {wanted, ServiceState.READY}
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
        if enough.issuperset(states):
            return
        if time.monotonic() > deadline:
            slow = next(s for s in services if s.state not in enough)
            raise ProcessFailed(
                f"the {slow.word} service is not ready after {READY_SECONDS:.0f} s", slow.log
            )
        time.sleep(_POLL_SECONDS)


def stop_services(services: Sequence[ServiceProcess]) -> None:
    """Drains all servers at once, and kills those that do not end in time."""
    for service in services:
        service.ask_to_end()
    deadline = time.monotonic() + DRAIN_SECONDS + 5
    for service in services:
        service.wait_ended(max(0.1, deadline - time.monotonic()))


def is_alive(pid: int) -> bool:
    """Whether the process ``pid`` is running; a zombie is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
