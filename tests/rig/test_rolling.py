"""An upgrade under load, with the real service in the pods: no call is lost."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from synthvlm.client import DatasetClient, connect
from synthvlm.dataset.v1 import dataset_pb2 as pb
from tests.charts.rendering import CHART
from tests.rig.cluster import Cluster
from tests.rig.hollow import KUBELET
from tests.rig.processes import poll
from tests.rig.running import Kubelet, Running, kubelet

NAMESPACE = "rolling"
CALLERS = 4


@dataclass
class Load:
    """Calls without a pause; the seconds that each took, and what failed in the end."""

    seconds: list[float] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)


@contextmanager
def load(target: str) -> Iterator[Load]:
    """Callers as a pipeline has them: each with a channel and the client's own retries."""
    made = Load()
    done = threading.Event()

    def call() -> None:
        with DatasetClient(connect(target)) as client:
            while not done.is_set():
                began = time.monotonic()
                try:
                    client.list_versions(pb.ListVersionsRequest(page_size=1))
                except Exception as error:
                    made.failed.append(error)
                made.seconds.append(time.monotonic() - began)
                time.sleep(0.05)

    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call) for _ in range(CALLERS)]
        try:
            yield made
        finally:
            done.set()
    for one in calls:
        one.result()


@dataclass
class Release:
    """The dataset service, with two replicas on PostgreSQL."""

    cluster: Cluster
    kubelet: Kubelet
    options: list[str]

    def helm(self, command: str, *options: str) -> str:
        chart = self.cluster.install_ready_chart(CHART)
        return self.cluster.helm(
            command, "synthvlm", chart, "--namespace", NAMESPACE, *self.options, *options,
            "--wait", "--timeout", "4m",
        )  # fmt: skip

    def services(self) -> list[Running]:
        pods = self.kubelet.pods.values()
        return [one for one in pods if "livenessProbe" in one.pod["spec"]["containers"][0]]

    def serving(self) -> list[Running]:
        return [one for one in self.services() if one.ready and not one.ending]

    def settled(self) -> bool:
        """Whether the pods that were replaced are gone."""
        return all(one.status is not None for one in self.services() if one.ending)


@pytest.fixture(scope="module")
def release(
    cluster: Cluster, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    values = {
        "defaults.enabled": "false",
        "services.dataset.enabled": "true",
        "services.dataset.replicas": "2",
        "services.dataset.config.drain_seconds": "10",
        f"defaults.podAnnotations.{KUBELET.replace('.', chr(92) + '.')}": "real",
    }
    # The chart wants a host; the folder of the server's socket is taken before it.
    database = postgres_server.format("postgres").replace("@/", "@localhost/")
    options = [f"--set={key}={value}" for key, value in values.items()]
    options.append(f"--set-literal=catalogue.database={database}")
    with kubelet(cluster, NAMESPACE, tmp_path_factory.mktemp("pods")) as running:
        made = Release(cluster, running, options)
        made.helm("install")
        yield made
        cluster.helm("uninstall", "synthvlm", "--namespace", NAMESPACE, "--wait")
        poll("pods gone", made.settled)


def test_the_hook_migrates_the_database_before_the_service_starts(release: Release) -> None:
    pods = list(release.kubelet.pods.values())
    assert pods[0].name.startswith("synthvlm-migration")
    assert pods[0].status == 0, pods[0].log()
    assert len(release.serving()) == 2


def test_helm_test_calls_the_service(release: Release) -> None:
    release.cluster.helm("test", "synthvlm", "--namespace", NAMESPACE, "--timeout", "2m")
    (asked,) = (pod for pod in release.kubelet.pods.values() if "-test-" in pod.name)
    assert asked.status == 0
    assert "bytes" in asked.log()


def replaced(release: Release, command: str, *options: str) -> Load:
    """Upgrades under load, until the pods that were there are gone."""
    before = {one.name for one in release.serving()}
    with load(release.kubelet.target("synthvlm-dataset")) as calls:
        poll("calls", lambda: len(calls.seconds) > 20)
        if command == "rollback":
            release.cluster.helm("rollback", "synthvlm", "--namespace", NAMESPACE, "--wait")
        else:
            release.helm(command, *options)
        poll("pods replaced", release.settled)
        enough = len(calls.seconds) + 20
        poll("calls afterwards", lambda: len(calls.seconds) > enough)
    after = {one.name for one in release.serving()}
    assert len(after) == 2
    assert not before & after
    return calls


def test_an_upgrade_under_load_loses_no_call(release: Release, record_property) -> None:
    calls = replaced(release, "upgrade", "--set=services.dataset.config.shard_size=500")
    assert calls.failed == []
    # Each of the old ones ended by itself within its grace.
    assert [one.status for one in release.services() if one.ending] == [0, 0]
    record_property("calls", len(calls.seconds))
    record_property("slowest", max(calls.seconds))


def test_a_rollback_under_load_loses_no_call(release: Release) -> None:
    calls = replaced(release, "rollback")
    assert calls.failed == []
