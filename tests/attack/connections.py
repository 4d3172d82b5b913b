"""Clients that do not speak gRPC, that stop speaking it, and that do not read."""

import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc

from synthvlm.caption.v1 import caption_pb2 as pb
from tests.attack.target import Target

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
EVALUATE_FILE = "/synthvlm.caption.v1.CaptionService/EvaluateFile"


def _frame(random: Random) -> bytes:
    """A frame of HTTP/2 whose length, kind, flags and stream are any."""
    body = random.randbytes(random.choice([0, 4, 5, 8, 40]))
    length = len(body) if random.randrange(4) else random.choice([0, 2**24 - 1])
    head = bytes([random.randrange(12), random.randrange(256)])
    stream = random.choice([0, 1, 2, 3, 2**31 - 1])
    return length.to_bytes(3, "big") + head + stream.to_bytes(4, "big") + body


def no_grpc(random: Random, address: str) -> None:
    """Sends what is not gRPC, and leaves without reading."""
    host, _, port = address.rpartition(":")
    begin = random.choice([b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE, PREFACE + SETTINGS])
    frames = b"".join(_frame(random) for _ in range(random.randrange(40)))
    with ExitStack() as stack:
        for _ in range(random.choice([1, 1, 20])):
            connection = stack.enter_context(socket.create_connection((host, int(port)), 5))
            try:
                connection.sendall(begin + frames)
                if random.randrange(2):
                    connection.settimeout(0.05)
                    connection.recv(100)
            except OSError:
                pass  # it was shown the door


def large_file(folder: Path) -> Path:
    """A caption file whose verdicts fill the windows of a connection many times."""
    file = folder / "many.txt"
    file.write_text("".join(f"a red circle with the number {n}\n" for n in range(100_000)))
    return file


def not_reading(random: Random, target: Target, file: Path) -> None:
    """Asks for a long answer several times over, takes a little of it, and leaves."""
    request = pb.EvaluateFileRequest(file=str(file)).SerializeToString()
    with ExitStack() as stack:
        calls = []
        for _ in range(random.choice([1, 3])):
            channel: Any = stack.enter_context(grpc.insecure_channel(target.process.address))
            calls.append(channel.unary_stream(EVALUATE_FILE)(request, timeout=3))
        for call in calls[: random.randrange(4)]:
            # A service has two places for such calls: the third may wait until its time is up.
            with suppress(grpc.RpcError):
                next(call, None)
        time.sleep(random.choice([0.0, 0.3, 1.0]))
        for call in calls:
            call.cancel()
