"""The processes of a run: how much memory each kind of them takes at most."""

import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import psutil

_LOOK_SECONDS = 0.25


class PeakMemory:
    """Follows a command and everything that it starts, until the end of the context.

    Args:
        command: The command's process.
    """

    def __init__(self, command: int) -> None:
        self._command = command
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.mib: dict[str, float] = {}

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            try:
                command = psutil.Process(self._command)
                family = [command, *command.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in family:
                role = _role(process)
                if role is not None:
                    self.mib[role] = max(self.mib.get(role, 0.0), peak_mib(process.pid))


def peak_mib(pid: int) -> float:
    """The most memory that a process has had resident, in MiB; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _role(process: psutil.Process) -> str | None:
    try:
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    for role, module in (("command", "synthvlm.cli"), ("pipeline", "synthvlm_pipelines")):
        if _has_module(words, module):
            return role
    return "step" if any("executor_main" in word for word in words) else None


def _has_module(words: Iterable[str], module: str) -> bool:
    return module in words
