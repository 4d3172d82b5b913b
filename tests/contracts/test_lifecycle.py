"""Every service lives and dies alike."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from synthvlm.local.processes import ServiceProcess, ServiceState, wait_for
from tests.contracts.processes import started
from tests.contracts.words import SERVICES, declared
from tests.service_process import clean_environment

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
WITH_MODEL = {"generation", "alignment"}
"""Their warm-up takes seconds, so a watcher that connects at once must see it."""


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Iterator[ServiceProcess]:
    # Not tmp_path: a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="synthvlm-") as name:
        folder = Path(name)
        listen = f"unix:{folder}/{request.param}.sock"
        with started(request.param, folder, listen) as process:
            yield process


def test_a_service_warms_up_serves_and_drains(service: ServiceProcess) -> None:
    name = declared(service.word).full_name
    wait_for([service], ServiceState.LOADING)
    assert service.address.startswith("unix:")
    with grpc.insecure_channel(service.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watched = health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=300)
        seen = []
        for answer in watched:
            seen.append(answer.status)
            if answer.status == SERVING:
                break
        assert seen[:-1] in ([], [NOT_SERVING])
        assert seen[-1] == SERVING
        if service.word in WITH_MODEL:
            assert seen[0] == NOT_SERVING
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=60).status == SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=60)
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
        listed = set(ProtoReflectionDescriptorDatabase(channel).get_services())
        assert {name, "grpc.health.v1.Health"} <= listed

        service.process.terminate()
        assert service.process.wait(timeout=60) == 0, service.log.read_text()
        assert not service.address_file.exists()


@pytest.mark.parametrize("word", SERVICES)
class TestSettings:
    def check(self, word: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"synthvlm.{word}", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=120,
        )

    def test_every_shipped_profile_is_valid(self, word: str) -> None:
        for profile in ("mini", "single-gpu"):
            checked = self.check(word, "--check", "--profile", profile)
            assert checked.returncode == 0, checked.stderr

    def test_an_unknown_key_is_fatal_and_named(self, word: str) -> None:
        checked = self.check(word, "--check", "--set", "no_such_key=1")
        assert checked.returncode == 2
        assert "no_such_key" in checked.stderr
        assert "Traceback" not in checked.stderr

    def test_help_documents_every_setting(self, word: str) -> None:
        shown = self.check(word, "--help")
        assert shown.returncode == 0
        assert "--max-shard-calls" in shown.stdout
        assert "--check" in shown.stdout
