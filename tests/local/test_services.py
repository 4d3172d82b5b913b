"""Services that are registered in a home, and who may use them."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from synthvlm.errors import PreconditionFailed
from synthvlm.local.home import Home
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import is_alive, silent
from synthvlm.local.services import attach, run_services
from synthvlm.local.words import TRITON, WORDS
from tests.local.waiting import until


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path)
    place.prepare()
    return place


@pytest.fixture
def healthy() -> Iterator[str]:
    """The address of a server that says that it is serving."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def register(home: Home, address: str, pid: int) -> None:
    running = {word: {"address": address, "pid": pid} for word in WORDS}
    content = {"owner": "up", "pid": pid, "profile": "mini", "running": running}
    home.services_file.write_text(json.dumps(content))


def test_a_stale_registration_is_not_used(home: Home) -> None:
    assert attach(home, WORDS) is None
    process = subprocess.Popen(["true"])
    until(lambda: not is_alive(process.pid))  # although nobody has waited for it
    process.wait()
    register(home, "127.0.0.1:9", process.pid)
    assert attach(home, WORDS) is None
    assert not is_alive(process.pid)


def test_a_run_uses_the_services_that_are_up(home: Home, healthy: str) -> None:
    with HomeLock(home, "up") as lock:
        assert lock.take()
        register(home, healthy, os.getpid())
        with run_services(home, "mini", silent) as services:
            assert services.addresses == dict.fromkeys(WORDS, healthy)
            assert services.runs("diffusers")
            assert not services.runs(TRITON)
            assert services.ended() is None


@pytest.mark.parametrize(
    ("profile", "engine", "problem"),
    [
        ("single-gpu", None, "run the profile mini, not single-gpu"),
        ("mini", TRITON, "use an engine other than triton"),
    ],
)
def test_services_with_another_profile_or_engine_are_not_used(
    home: Home, healthy: str, profile: str, engine: str | None, problem: str
) -> None:
    with HomeLock(home, "up") as lock:
        assert lock.take()
        register(home, healthy, os.getpid())
        with (
            pytest.raises(PreconditionFailed, match=problem),
            run_services(home, profile, silent, engine),
        ):
            raise AssertionError("not reached")


def test_a_second_run_in_a_home_is_refused(home: Home) -> None:
    with HomeLock(home, "run") as lock:
        assert lock.take()
        with (
            pytest.raises(PreconditionFailed, match=r"another run \(process \d+\) is under way"),
            run_services(home, "mini", silent),
        ):
            raise AssertionError("not reached")
