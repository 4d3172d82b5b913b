"""The process of a service: warm-up, drain, failure, signals, exit status."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from synthvlm.client import GenerationClient, RetryPolicy, connect
from synthvlm.errors import Unavailable
from synthvlm.generation.v1 import generation_pb2 as pb
from tests.serving.probe import DESCRIPTOR, image_request, shard_request
from tests.serving.waiting import wait_for

ROOT = Path(__file__).parents[2]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

USUAL = (700, 10, 10)
"""When Python collects garbage."""


class Process:
    """A probe in a process of its own."""

    def __init__(self, folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> None:
        self.address_file = folder / "address.json"
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [
                    *before,
                    sys.executable,
                    "-m",
                    "tests.serving.probe",
                    f"--address-file={self.address_file}",
                    *arguments,
                ],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                stderr=log,
            )

    def address(self) -> str:
        wait_for(lambda: self.address_file.exists() or self.popen.poll() is not None)
        assert self.popen.poll() is None, self.log.read_text()
        return str(json.loads(self.address_file.read_text())["address"])

    def client(self) -> GenerationClient:
        return GenerationClient(connect(self.address()), RetryPolicy(total_seconds=0))

    def status(self, service: str = "") -> int:
        with grpc.insecure_channel(self.address()) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=service)
            return int(stub.Check(request, timeout=30, wait_for_ready=True).status)

    def exit_status(self) -> int:
        return self.popen.wait(60)

    def events(self) -> list[dict[str, Any]]:
        """What the service logged; gRPC's core writes lines of its own."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes: list[Process] = []

    def make(*arguments: str, before: tuple[str, ...] = ()) -> Process:
        folder = tmp_path / f"process{len(processes)}"
        folder.mkdir()
        processes.append(Process(folder, *arguments, before=before))
        return processes[-1]

    yield make
    for process in processes:
        if process.popen.poll() is None:
            for child in psutil.Process(process.popen.pid).children(recursive=True):
                child.kill()
            process.popen.kill()
            process.popen.wait()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_what_it_has_loaded_is_kept_and_garbage_collected_as_usual(start: Start) -> None:
    process = start()
    with process.client() as client:
        client.wait_until_serving(60)
        client.generate_image(image_request("collector"))
    (told,) = [event for event in process.events() if event["event"] == "collector"]
    assert told["kept"] > 10_000
    assert told["threshold"] == list(USUAL)


def test_sigterm_lets_running_calls_finish_and_rejects_new_ones(
    start: Start, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    process = start()
    with process.client() as client:
        client.wait_until_serving(60)
        assert process.status() == process.status(DESCRIPTOR.full_name) == SERVING
        item = pool.submit(client.generate_image, image_request(f"hold:{tmp_path / 'item'}"))
        shard: Future[pb.GenerateResult] = pool.submit(
            client.generate_shard, shard_request(f"hold:{tmp_path / 'shard'}")
        )
        for name in ("item", "shard"):
            wait_for((tmp_path / f"{name}.started").exists)
        process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: process.status() == NOT_SERVING)
        assert process.status(DESCRIPTOR.full_name) == NOT_SERVING
        with pytest.raises(Unavailable) as rejected:
            client.get_model(pb.GetModelRequest())
        assert rejected.value.reason == "UNAVAILABLE"
        assert rejected.value.retry_after_seconds > 0
        assert process.popen.poll() is None
        for name in ("item", "shard"):
            (tmp_path / f"{name}.release").touch()
        assert item.result(60).media_type == f"hold:{tmp_path / 'item'}"
        assert shard.result(60).generated == 3
    assert process.exit_status() == 0
    assert not process.address_file.exists()
    assert [entry["event"] for entry in process.events()][-1] == "stopped"


def test_until_it_is_built_a_service_answers_only_health_and_reflection(
    start: Start, tmp_path: Path
) -> None:
    process = start(f"--build-hold={tmp_path / 'build'}")
    assert process.status() == process.status(DESCRIPTOR.full_name) == NOT_SERVING
    with process.client() as client:
        with pytest.raises(Unavailable, match="starting"):
            client.get_model(pb.GetModelRequest())
        with pytest.raises(Unavailable, match="starting"):
            client.generate_shard(shard_request())
        with grpc.insecure_channel(process.address()) as channel:
            listed = set(ProtoReflectionDescriptorDatabase(channel).get_services())
        assert listed == {
            DESCRIPTOR.full_name,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        (tmp_path / "build.release").touch()
        client.wait_until_serving(60)
        assert client.get_model(pb.GetModelRequest()).engine == "probe"
    process.popen.send_signal(signal.SIGINT)
    assert process.exit_status() == 0


def test_a_signal_during_the_build_does_not_wait_for_it(start: Start, tmp_path: Path) -> None:
    process = start(f"--build-hold={tmp_path / 'build'}")
    process.address()
    wait_for((tmp_path / "build.started").exists)
    process.popen.send_signal(signal.SIGTERM)
    assert process.exit_status() == 0
    assert not process.address_file.exists()


def test_a_failed_build_is_logged_and_exits_with_1(start: Start) -> None:
    process = start("--build-error=there are no weights here")
    assert process.exit_status() == 1
    failures = [entry for entry in process.events() if entry["level"] == "error"]
    assert [entry["event"] for entry in failures] == ["the service cannot start"]
    assert failures[0]["problem"] == "there are no weights here"
    assert failures[0]["service"] == "probe"
    assert failures[0]["exception"][0]["exc_type"] == "NotFound"
    assert not process.address_file.exists()


def test_a_taken_port_is_logged_and_exits_with_1(start: Start) -> None:
    first = start()
    address = first.address()
    second = start(f"--listen={address}")
    assert second.exit_status() == 1
    assert any(entry["event"] == "the service cannot start" for entry in second.events())
    assert first.popen.poll() is None


def test_work_that_hears_nothing_does_not_hold_the_exit(
    start: Start, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    process = start("--drain-seconds=0")
    with process.client() as client:
        client.wait_until_serving(60)
        call = pool.submit(client.generate_image, image_request(f"stuck:{tmp_path / 'a'}"))
        wait_for((tmp_path / "a.started").exists)
        process.popen.send_signal(signal.SIGTERM)
        assert process.exit_status() == 0
        assert isinstance(call.exception(60), Unavailable)


def test_a_second_signal_ends_the_wait(
    start: Start, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    process = start("--drain-seconds=3600")
    with process.client() as client:
        client.wait_until_serving(60)
        call = pool.submit(client.generate_image, image_request(f"hold:{tmp_path / 'a'}"))
        wait_for((tmp_path / "a.started").exists)
        process.popen.send_signal(signal.SIGINT)
        wait_for(lambda: process.status() == NOT_SERVING)
        process.popen.send_signal(signal.SIGINT)
        assert process.exit_status() == 0
        assert isinstance(call.exception(60), Unavailable)
    assert (tmp_path / "a.cancelled").read_text() == "shutdown"


def can_be_pid_1() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.call(
        [unshare, "--pid", "--fork", "true"], stderr=subprocess.DEVNULL
    )


@pytest.mark.skipif(not can_be_pid_1(), reason="needs the right to make a PID namespace")
def test_as_pid_1_it_heeds_sigterm(start: Start) -> None:
    process = start(before=("unshare", "--pid", "--fork"))
    with process.client() as client:
        client.wait_until_serving(60)
    assert json.loads(process.address_file.read_text())["pid"] == 1
    (child,) = psutil.Process(process.popen.pid).children()
    child.terminate()
    assert process.exit_status() == 0
    assert not process.address_file.exists()
