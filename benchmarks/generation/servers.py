"""The generation service as a process, with a Triton server beside it if that is its engine."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from synthvlm.local.processes import (
    READY_SECONDS,
    ServiceProcess,
    start_process,
    stop_services,
    wait_ready,
)


@dataclass
class Servers:
    """The processes that were started.

    Attributes:
        address: Where the service serves.
        log: What the service logs.
        processes: All processes, the model's own of a Triton server included.
    """

    address: str = ""
    log: Path = Path()
    processes: list[psutil.Process] = field(default_factory=list)

    def peak_mib(self) -> float:
        """Peak resident size of all processes, added up."""
        return sum(_status_mib(process.pid, "VmHWM") for process in self.processes)

    def resident_mib(self) -> float:
        """Resident size of all processes, added up."""
        return sum(_status_mib(process.pid, "VmRSS") for process in self.processes)


@contextmanager
def started(
    profile: str, engine: str, executor: str, settings: Sequence[str] = ()
) -> Iterator[Servers]:
    """Starts the service, waits until it is warm, and stops it at the end of the context.

    Args:
        profile: Its profile.
        engine: ``diffusers`` or ``triton``.
        executor: What computes the components.
        settings: Further options of the service's command line.
    """
    common = ["--profile", profile, "--pipeline.executor", executor]
    options = [*common, "--engine", engine, *settings]
    running: list[ServiceProcess] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            if engine == "triton":
                repository = ["--repository", str(folder / "triton")]
                running.append(
                    _ready("triton", "synthvlm.generation.triton", [*common, *repository], folder)
                )
                options += ["--triton.endpoints", running[0].address]
                options += ["--triton.patience-seconds", str(READY_SECONDS)]
            running.append(_ready("generation", "synthvlm.generation", options, folder))
            yield Servers(running[-1].address, running[-1].log, _family(running))
        finally:
            stop_services(running)


def _ready(word: str, module: str, options: Sequence[str], folder: Path) -> ServiceProcess:
    address_file, log = folder / f"{word}.json", folder / f"{word}.log"
    process = start_process(word, module, options, address_file=address_file, log=log)
    try:
        wait_ready([process])
    except BaseException:
        process.kill()
        raise
    return process


def _family(running: Sequence[ServiceProcess]) -> list[psutil.Process]:
    parents = [psutil.Process(one.process.pid) for one in running]
    return [process for one in parents for process in (one, *one.children(recursive=True))]


def _status_mib(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    return 0.0
