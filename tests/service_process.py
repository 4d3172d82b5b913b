"""A service in a process of its own, which a test may kill."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from synthvlm.local.processes import ServiceProcess, start_process, wait_ready


@contextmanager
def service_process(
    module: str, arguments: Sequence[str], folder: Path
) -> Iterator[tuple[ServiceProcess, grpc.Channel]]:
    """Starts ``python -m module`` and waits until it serves; kills it at the end of the block.

    ``folder`` takes its log and its address, and is the one place where it may write shards.
    """
    process = start_process(
        module.rpartition(".")[2],
        module,
        [*arguments, "--store-roots", f"file://{folder}"],
        address_file=folder / "address.json",
        log=folder / "service.log",
        environment=clean_environment(),
    )
    try:
        wait_ready([process])
        with grpc.insecure_channel(process.address) as channel:
            yield process, channel
    finally:
        process.kill()


def clean_environment() -> dict[str, str]:
    """The environment without settings of services, but with the place of the Triton server."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("SYNTHVLM_") or key == "SYNTHVLM_TRITON_SERVER"
    }
