"""An upgrade under load, with the real service in the pods: no call is lost."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from synthvlm.client import DatasetClient, connect
from synthvlm.dataset.migrations import MIGRATIONS
from synthvlm.dataset.v1 import dataset_pb2 as pb
from synthvlm.sql.database import open_database
from synthvlm.sql.settings import DatabaseSettings
from tests.charts.rendering import CHART
from tests.rig.cluster import Cluster
from tests.rig.hollow import KUBELET
from tests.rig.processes import poll
from tests.rig.running import Kubelet, Running, kubelet
from tests.sql.schemas import later

EXPAND = 'op.add_column("version", sa.Column("licence", sa.String(64), nullable=True))'
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
    database: str

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
        "services.dataset.config.max_connection_age_seconds": "2",
        f"defaults.podAnnotations.{KUBELET.replace('.', chr(92) + '.')}": "real",
    }
    # The chart wants a host; the folder of the server's socket is taken before it.
    database = postgres_server.format("postgres").replace("@/", "@localhost/")
    options = [f"--set={key}={value}" for key, value in values.items()]
    options.append(f"--set-literal=catalogue.database={database}")
    with kubelet(cluster, NAMESPACE, tmp_path_factory.mktemp("pods")) as running:
        made = Release(cluster, running, options, database)
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


def test_a_rollback_under_load_onto_a_schema_that_has_grown_loses_no_call(
    release: Release, tmp_path: Path
) -> None:
    newer = later(MIGRATIONS, tmp_path / "versions", 2, 1, EXPAND)
    open_database(DatabaseSettings(database=release.database), newer).close()
    calls = replaced(release, "rollback")
    assert calls.failed == []


def test_a_new_replica_gets_calls_of_callers_that_were_there_before(release: Release) -> None:
    before = {one.name for one in release.serving()}
    with load(release.kubelet.target("synthvlm-dataset")) as calls:
        poll("calls", lambda: len(calls.seconds) > 20)
        release.helm("upgrade", "--set=services.dataset.replicas=3", "--reuse-values")
        (new,) = (one for one in release.serving() if one.name not in before)
        # The client asks for names twice a minute at the most.
        poll("a call", lambda: "synthvlm_dataset_requests_total{" in metrics(new), 120, 1)
    assert calls.failed == []


def metrics(running: Running) -> str:
    with urllib.request.urlopen(f"http://{running.host}:9090/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
