"""Every service lives and dies alike."""

import importlib
import json
import os
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
from synthvlm.serving import main, show
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
    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in os.environ.keys() - clean_environment().keys():
            monkeypatch.delenv(name)

    def status(self, word: str, *arguments: str) -> int:
        """Runs the service's program in this process, which has loaded most of it already."""
        with pytest.raises(SystemExit) as ended:
            main(importlib.import_module(f"synthvlm.{word}.service").SERVICE, arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code

    @pytest.mark.parametrize("profile", ["mini", "single-gpu"])
    def test_every_shipped_profile_is_valid(
        self, word: str, profile: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = self.status(word, "--check", "--profile", profile)
        assert status == 0, capsys.readouterr().err
        assert f"the settings of the {word} service are valid" in capsys.readouterr().out

    def test_an_unknown_key_is_fatal_and_named(
        self, word: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.status(word, "--check", "--set", "no_such_key=1") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "no_such_key" in line

    def test_help_documents_every_setting(
        self, word: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.status(word, "--help") == 0
        shown = capsys.readouterr().out
        assert "--max-shard-calls" in shown
        assert "--check" in shown

    def test_what_one_process_shows_for_several_each_shows_itself(
        self, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line = ["--profile", "mini"]
        assert self.status(word, "--show-settings", *line) == 0
        own = json.loads(capsys.readouterr().out)
        assert own
        monkeypatch.setattr(sys, "argv", ["show", json.dumps({word: line})])
        show.main()
        assert json.loads(capsys.readouterr().out) == {word: own}
