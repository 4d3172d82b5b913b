"""A real Triton server with the bundled pipelines, which a test may kill and start again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tritonclient.grpc
import yaml

from synthvlm.generation.triton.server import remove_leftovers
from synthvlm.generation.triton.tensors import MODEL
from synthvlm.local.processes import ServiceProcess, ServiceState, start_process, wait_for
from tests.service_process import clean_environment


class TritonServer:
    """``python -m synthvlm.generation.triton`` as a process.

    Attributes:
        address: Where it serves, the same after every start.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._config = folder / "triton.yaml"
        self._config.write_text(yaml.safe_dump(settings))
        self._process: ServiceProcess | None = None
        self.address = "127.0.0.1:0"

    @property
    def log(self) -> str:
        return (self._folder / "triton.log").read_text(errors="replace")

    def start(self) -> None:
        """Starts it and waits for its address, not until it is ready."""
        assert self._process is None
        self._process = start_process(
            "triton",
            "synthvlm.generation.triton",
            ["--repository", str(self._folder / "triton"), "--config", str(self._config)],
            address_file=self._folder / "triton.address",
            log=self._folder / "triton.log",
            listen=self.address,
            environment=clean_environment(),
        )
        wait_for([self._process], ServiceState.LOADING)
        self.address = self._process.address

    def wait(self) -> None:
        """Waits until its model is loaded."""
        assert self._process is not None
        wait_for([self._process], ServiceState.READY)

    def kill(self) -> None:
        """``kill -9``: the server and the process of its model."""
        if self._process is not None:
            self._process.kill()
            self._process = None
            remove_leftovers()

    def statistics(self) -> dict[str, Any]:
        """What the server has counted of the model."""
        with tritonclient.grpc.InferenceServerClient(self.address) as client:
            answer = client.get_inference_statistics(MODEL, as_json=True)
        (statistics,) = answer["model_stats"]
        found: dict[str, Any] = statistics
        return found


@contextmanager
def triton_server(folder: Path, settings: dict[str, Any]) -> Iterator[TritonServer]:
    """A server that is ready; killed at the end of the block."""
    server = TritonServer(folder, settings)
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.kill()
