"""The services under attack, and how they are called."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from synthvlm.local.processes import ServiceProcess, start_process, wait_ready
from tests.contracts.processes import settings_of
from tests.contracts.words import SERVICES
from tests.service_process import clean_environment

DEADLINE_SECONDS = 10.0
"""A call that happens to be valid and long is given up after that."""
PATIENCE_SECONDS = 0.3
"""For the answer to no message: gRPC gives none."""

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True)
class Outcome:
    """How a call ended, and the messages that it gave."""

    code: grpc.StatusCode
    details: str = ""
    answers: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Target:
    """A running service.

    Attributes:
        process: Its process.
        channel: A connection to it.
        connect: Makes another one.
    """

    process: ServiceProcess
    channel: grpc.Channel
    connect: Callable[[], grpc.Channel]

    def call(
        self,
        path: str,
        *messages: bytes,
        compression: grpc.Compression | None = None,
        seconds: float = DEADLINE_SECONDS,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> Outcome:
        """Calls a method with bytes that may be anything; most methods expect one message."""
        channel: Any = self.channel
        timeout = seconds if messages else PATIENCE_SECONDS
        options = {"timeout": timeout, "compression": compression, "metadata": metadata}
        try:
            if len(messages) == 1:
                answers = channel.unary_stream(path)(messages[0], **options)
            else:
                answers = channel.stream_stream(path)(iter(messages), **options)
            return Outcome(grpc.StatusCode.OK, "", tuple(answers))
        except grpc.RpcError as error:
            return Outcome(error.code(), error.details() or "")

    def mebibytes(self, name: str) -> float:
        """A figure of its process: ``VmRSS`` is its memory, ``VmHWM`` the most that it had."""
        lines = Path(f"/proc/{self.process.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))

    def forget_peak(self) -> None:
        """Has ``VmHWM`` begin anew."""
        Path(f"/proc/{self.process.process.pid}/clear_refs").write_text("5")


@contextmanager
def targets(folder: Path) -> Iterator[dict[str, Target]]:
    """All services, warm, with all their state below ``folder``."""
    with ExitStack() as stack:
        processes = []
        for word in SERVICES:
            settings = settings_of(word, folder)
            if word == "dataset":
                settings += ["--export-roots", folder.as_uri()]
            process = start_process(
                word,
                f"synthvlm.{word}",
                settings,
                address_file=folder / f"{word}.address",
                log=folder / f"{word}.log",
                environment=clean_environment(),
            )
            stack.callback(process.kill)
            processes.append(process)
        wait_ready(processes)
        yield {process.word: stack.enter_context(_plain(process)) for process in processes}


@contextmanager
def _plain(process: ServiceProcess) -> Iterator[Target]:
    def connect() -> grpc.Channel:
        return grpc.insecure_channel(process.address, UNLIMITED)

    with connect() as channel:
        yield Target(process, channel, connect)
