"""A service in a process of its own, which a test may kill."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

PATIENCE = 300.0
"""Seconds that a start may take on a busy machine."""


@contextmanager
def service_process(
    module: str, arguments: Sequence[str], folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], grpc.Channel]]:
    """Starts ``python -m module`` and waits until it serves; kills it at the end of the block.

    ``folder`` takes its log and its address, and is the one place where it may write shards.
    """
    address_file, log_file = folder / "address.json", folder / "service.log"
    address_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, *arguments, "--address-file", str(address_file)]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--store-roots", f"file://{folder}"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not address_file.exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert process.poll() is None, log_file.read_text()
        address = json.loads(address_file.read_text())["address"]
        with grpc.insecure_channel(address) as channel:
            for answer in health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE
            ):
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    break
            yield process, channel
    finally:
        process.kill()
        process.wait()
