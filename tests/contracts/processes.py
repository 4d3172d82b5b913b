"""Services as real processes, started as an operator starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

START_SECONDS = 480
"""Only a limit: a machine that is busy with other tests loads models slowly."""


@dataclass
class Process:
    """A service's process."""

    word: str
    process: subprocess.Popen[bytes]
    address_file: Path
    log: Path

    def address(self) -> str:
        """Waits for the process to tell its address."""
        limit = time.monotonic() + START_SECONDS
        while not self.address_file.exists():
            assert self.process.poll() is None, f"{self.word} ended: {self.log.read_text()}"
            assert time.monotonic() < limit, f"{self.word} tells no address"
            time.sleep(0.05)
        return str(json.loads(self.address_file.read_text())["address"])

    def wait_serving(self) -> str:
        """Waits for the service to be warm; returns its address."""
        address = self.address()
        limit = time.monotonic() + START_SECONDS
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < limit:
                assert self.process.poll() is None, f"{self.word} ended: {self.log.read_text()}"
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=60)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return address
                time.sleep(0.1)
        raise AssertionError(f"{self.word} does not get ready: {self.log.read_text()}")

    def terminate(self) -> int:
        """Sends SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def settings_of(word: str, folder: Path) -> list[str]:
    """Settings with which the service ``word`` keeps all its state below ``folder``."""
    settings = ["--store-roots", folder.as_uri()]
    if word == "generation":
        # A valid request among many must cost little.
        settings += ["--set", "steps=2"]
    if word == "dataset":
        settings += ["--database", f"sqlite:///{folder}/catalogue.db"]
    return settings


@contextmanager
def started(word: str, folder: Path, listen: str, settings: Sequence[str]) -> Iterator[Process]:
    """Starts a service; kills it at the end, should it still run."""
    address_file, log = folder / f"{word}.address", folder / f"{word}.log"
    command = [sys.executable, "-m", f"synthvlm.{word}", "--listen", listen]
    command += ["--address-file", str(address_file), *settings]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=clean()
        )
    try:
        yield Process(word, process, address_file, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def all_started(words: Sequence[str], folder: Path) -> Iterator[dict[str, str]]:
    """Starts services at the same time; yields their addresses once all are warm."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(word, folder, "127.0.0.1:0", settings_of(word, folder)))
            for word in words
        ]
        yield {process.word: process.wait_serving() for process in processes}


def clean() -> dict[str, str]:
    """The environment without settings of services."""
    return {key: value for key, value in os.environ.items() if not key.startswith("SYNTHVLM_")}
