"""The services of a home with the engines of the simulation, registered as ``synthvlm up`` does.

Commands that need services in that home find them, compare their settings with what they would
start themselves, and use them.
"""

import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.simulation.generation import SECONDS_VARIABLE
from benchmarks.simulation.processes import peak_mib
from synthvlm.local.home import Home
from synthvlm.local.launch import service_options
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import ServiceProcess, start_process, stop_services, wait_ready
from synthvlm.local.services import as_services, register
from synthvlm.local.sockets import listening
from synthvlm.local.words import RUN
from synthvlm.profiles import load_profile

_SIMULATED = ("generation", "alignment")
SIDE = 16
"""Width and height of images, in pixels."""

BATCH = 64


@dataclass(frozen=True)
class Simulated:
    """Services at work: their processes, and where each tells its metrics."""

    processes: list[ServiceProcess]
    metrics: dict[str, int] = field(default_factory=dict)

    def peaks(self) -> dict[str, float]:
        """Peak memory of each service, in MiB."""
        return {one.word: peak_mib(one.process.pid) for one in self.processes}

    def counted(self, metric: str, label: str) -> dict[str, dict[str, float]]:
        """A counter of every service, by the service's word and the counter's label."""
        found: dict[str, dict[str, float]] = {}
        for word, port in self.metrics.items():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                families = text_string_to_metric_families(answer.read().decode())
                samples = [one for family in families for one in family.samples]
            found[word] = {
                one.labels[label]: one.value for one in samples if one.name == f"{metric}_total"
            }
        return found


def write_profile(file: Path) -> None:
    """The profile of the simulation: ``mini`` with tiny images and large batches."""
    sections = load_profile("mini").sections
    sections["generation"] |= {"width": SIDE, "height": SIDE, "steps": 1, "batch_size": BATCH}
    sections["generation"]["batch_wait_ms"] = 0.0
    sections["alignment"] |= {"batch_size": BATCH, "vlm_size": SIDE // 2}
    file.write_text(yaml.safe_dump(sections))


@contextmanager
def simulated_services(home: Home, profile: Path, seconds_per_image: float) -> Iterator[Simulated]:
    """Starts the four services of a run and registers them; stops them at the end."""
    home.prepare()
    ports = {word: _free_port() for word in RUN}
    processes: list[ServiceProcess] = []
    environment = {**os.environ, SECONDS_VARIABLE: str(seconds_per_image)}
    with HomeLock(home, "up") as lock, listening(home.state) as where:
        if not lock.take():
            raise SystemExit(f"another process runs the services of {home.root}")
        try:
            for word in RUN:
                room = "benchmarks.simulation" if word in _SIMULATED else "synthvlm"
                options = service_options(home, str(profile), word)
                process = start_process(
                    word,
                    f"{room}.{word}",
                    [*options, "--metrics-listen", f"127.0.0.1:{ports[word]}"],
                    address_file=home.state / f"{word}.json",
                    log=home.log(word),
                    listen=where.address(word),
                    environment=environment,
                )
                processes.append(process)
            wait_ready(processes)
            register(home, "up", as_services(str(profile), processes, where))
            yield Simulated(processes, ports)
        finally:
            home.services_file.unlink(missing_ok=True)
            stop_services(processes)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
