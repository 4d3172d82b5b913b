"""A real Triton server with the bundled pipelines, which a test may kill and start again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tritonclient.grpc
import yaml
from tritonclient.utils import InferenceServerException

from synthvlm.generation.triton.server import remove_leftovers
from synthvlm.generation.triton.tensors import MODEL

PATIENCE = 480.0
"""Seconds that a start may take on a machine that is busy with other tests."""


class TritonServer:
    """``python -m synthvlm.generation.triton`` as a process.

    Attributes:
        address: Where it serves, the same after every start.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.address = "127.0.0.1:0"

    @property
    def log(self) -> str:
        return (self._folder / "triton.log").read_text(errors="replace")

    def start(self) -> None:
        """Starts it; does not wait."""
        assert self._process is None
        address_file = self._folder / "triton.address"
        address_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "synthvlm.generation.triton", "--listen", self.address]
        command += ["--repository", str(self._folder / "triton")]
        command += ["--address-file", str(address_file)]
        config = self._folder / "triton.yaml"
        config.write_text(yaml.safe_dump(self._settings))
        command += ["--config", str(config)]
        with (self._folder / "triton.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
        deadline = time.monotonic() + PATIENCE
        while not address_file.exists():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        self.address = json.loads(address_file.read_text())["address"]

    def wait(self) -> None:
        """Waits until its model is loaded."""
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        with tritonclient.grpc.InferenceServerClient(self.address) as client:
            while True:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                try:
                    if client.is_model_ready(MODEL, client_timeout=10):
                        return
                except InferenceServerException:
                    pass
                time.sleep(0.1)

    def kill(self) -> None:
        """``kill -9``: the server and the process of its model."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
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
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.kill()


def _environment() -> dict[str, str]:
    """The environment without settings of services, but with the place of the server."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("SYNTHVLM_") or key == "SYNTHVLM_TRITON_SERVER"
    }
