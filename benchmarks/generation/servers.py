"""The generation service as a process, with a Triton server beside it when that is its engine."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

START_SECONDS = 900


@dataclass
class Servers:
    """What was started.

    Attributes:
        address: Where the service serves.
        processes: All processes, the model's own of a Triton server included.
    """

    address: str = ""
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
    """Starts the service, waits until it is warm, and ends what was started with the context.

    Args:
        profile: Its profile.
        engine: ``diffusers`` or ``triton``.
        executor: What computes the components.
        settings: Further options of the service's command line.
    """
    servers = Servers()
    common = ["--profile", profile, "--pipeline.executor", executor]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = ["--engine", engine, *settings]
        if engine == "triton":
            repository = ["--repository", str(folder / "triton")]
            triton = stack.enter_context(
                _process(
                    "synthvlm.generation.triton", [*common, *repository], folder / "triton.log"
                )
            )
            options += ["--triton.endpoints", _address(triton)]
            options += ["--triton.patience-seconds", str(START_SECONDS)]
            _wait_serving(triton)
            servers.processes += [triton.process, *triton.process.children(recursive=True)]
        service = stack.enter_context(
            _process("synthvlm.generation", [*common, *options], folder / "service.log")
        )
        _wait_serving(service)
        servers.processes.append(service.process)
        servers.address = _address(service)
        yield servers


@dataclass
class _Started:
    process: psutil.Process
    address_file: Path
    log: Path

    def check(self, deadline: float) -> None:
        if not self.process.is_running() or self.process.status() == psutil.STATUS_ZOMBIE:
            raise SystemExit(f"a server ended: {self.log.read_text(errors='replace')[-2000:]}")
        if time.monotonic() > deadline:
            raise SystemExit("a server did not become ready")


@contextmanager
def _process(module: str, options: Sequence[str], log: Path) -> Iterator[_Started]:
    address_file = log.with_suffix(".json")
    command = [sys.executable, "-m", module, "--listen", "127.0.0.1:0"]
    command += ["--address-file", str(address_file), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield _Started(psutil.Process(process.pid), address_file, log)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(server: _Started) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not server.address_file.exists():
        server.check(deadline)
        time.sleep(0.1)
    return str(json.loads(server.address_file.read_text())["address"])


def _wait_serving(server: _Started) -> None:
    deadline = time.monotonic() + START_SECONDS
    address = _address(server)
    while not is_serving(address):
        server.check(deadline)
        time.sleep(0.2)


def is_serving(address: str) -> bool:
    """Whether the server at ``address`` says that it is healthy; Triton's is asked alike."""
    with grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _status_mib(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    return 0.0
