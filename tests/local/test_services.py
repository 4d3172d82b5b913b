"""Services that are registered in a home, and who may use them."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.local import services
from synthvlm.local.comparison import asked_settings, differences, told
from synthvlm.local.home import Home
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import is_alive, silent
from synthvlm.local.services import attach, needed_services, run_services
from synthvlm.local.words import RUN, TRITON, WORDS
from tests.local.waiting import until

Settings = dict[str, dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path)
    place.prepare()
    return place


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text("# six\ngeneration:\n  steps: 6\n  pipeline: {threads: 1}\n")
    return file


@pytest.fixture
def healthy() -> Iterator[str]:
    """The address of a server that says that it is serving."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def register(home: Home, address: str, pid: int, settings: Settings | None = None) -> None:
    """Registers services as `synthvlm up` does that was started with the settings."""
    running = {
        word: {"address": address, "pid": pid, "settings": (settings or {}).get(word, {})}
        for word in WORDS
    }
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


def test_a_run_uses_the_services_that_are_up_with_a_profile_that_says_the_same(
    home: Home, healthy: str, profile: Path
) -> None:
    with HomeLock(home, "up") as lock:
        assert lock.take()
        register(home, healthy, os.getpid(), asked_settings(home, str(profile), RUN))
        copy = profile.with_name("other.yaml")
        copy.write_text(profile.read_text().replace("# six", "# still six"))
        with run_services(home, str(copy), silent) as services:
            assert services.addresses == dict.fromkeys(WORDS, healthy)
            assert services.runs("diffusers")
            assert not services.runs(TRITON)
            assert services.ended() is None


def test_a_profile_that_was_edited_since_and_another_are_refused_with_the_difference(
    home: Home, healthy: str, profile: Path
) -> None:
    with HomeLock(home, "up") as lock:
        assert lock.take()
        register(home, healthy, os.getpid(), asked_settings(home, str(profile), RUN))
        profile.write_text(profile.read_text().replace("steps: 6", "steps: 9"))
        for asked, problem in (
            (str(profile), "generation.steps: running 6, asked for 9; "),
            ("single-gpu", "alignment.threads: running 2, asked for 4; "),
        ):
            with (
                pytest.raises(PreconditionFailed) as refused,
                run_services(home, asked, silent),
            ):
                raise AssertionError("not reached")
            assert problem in refused.value.message
            assert "; restart `synthvlm up` (process " in refused.value.message


def test_a_command_that_makes_no_image_uses_services_of_any_profile_without_comparing_them(
    home: Home, healthy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(*_: object) -> None:
        raise AssertionError("a process was started to read the settings")

    monkeypatch.setattr(services, "asked_settings", compared)
    register(home, healthy, os.getpid())
    with needed_services(home, ["dataset"], "cluster") as used:
        assert used.address("dataset") == healthy
    with (
        pytest.raises(AssertionError, match="was started"),
        needed_services(home, ["generation"], "cluster"),
    ):
        pass


def test_services_with_another_engine_are_not_used(home: Home, healthy: str) -> None:
    with HomeLock(home, "up") as lock:
        assert lock.take()
        register(home, healthy, os.getpid())
        with (
            pytest.raises(PreconditionFailed, match="use an engine other than triton"),
            run_services(home, "mini", silent, TRITON),
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


def test_the_environment_is_compared_too(
    home: Home, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asked_settings(home, str(profile), ["generation"])
    monkeypatch.setenv("SYNTHVLM_GENERATION_PIPELINE__THREADS", "2")
    monkeypatch.setenv("SYNTHVLM_GENERATION_LOG_LEVEL", "DEBUG")  # decides nothing
    found = differences(before, asked_settings(home, str(profile), ["generation"]))
    assert told(found) == "generation.pipeline.threads: running 1, asked for 2"


def test_few_of_many_differences_are_told() -> None:
    running = {"caption": {str(number): 0 for number in range(9)}}
    asked = {"caption": {str(number): number for number in range(9)}}
    assert told(differences(running, asked)).endswith(
        "caption.5: running 0, asked for 5; and 3 more"
    )
    assert differences(running, running) == []


def test_a_wrong_setting_is_said(home: Home, profile: Path) -> None:
    profile.write_text("generation: {steps: many}")
    with pytest.raises(InvalidInput, match="steps"):
        asked_settings(home, str(profile), ["generation"])
