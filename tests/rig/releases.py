"""Releases of the chart on a cluster of the rig."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from tests.charts.rendering import CHART, Object
from tests.rig.api import ApiError
from tests.rig.cluster import Cluster
from tests.rig.processes import poll

NAME = "synthvlm"

SECRETS = {
    "synthvlm-postgresql": {"password": "secret"},
    "synthvlm-s3": {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"},
    "synthvlm-token": {"token": "token"},
}
"""What values-cluster.yaml wants to be there."""


@dataclass
class Release:
    """A release called ``synthvlm``, in a namespace of its own.

    Attributes:
        values: Options of every install and upgrade.
    """

    cluster: Cluster
    namespace: str
    values: list[str]

    def helm(self, command: str, *options: str, timeout: str = "3m") -> str:
        """Installs, upgrades or rolls back, and waits for the pods."""
        given: list[object] = []
        if command != "rollback":
            given = [self.cluster.install_ready_chart(CHART), *self.values]
        return self.cluster.helm(
            command, NAME, *given, "--namespace", self.namespace, *options, "--wait",
            "--timeout", timeout,
        )  # fmt: skip

    def test(self) -> str:
        """``helm test``."""
        return self.cluster.helm("test", NAME, "--namespace", self.namespace)

    def uninstall(self) -> None:
        """Uninstalls."""
        self.cluster.helm("uninstall", NAME, "--namespace", self.namespace, "--wait")

    def get(self, kind: str, *names: str) -> Any:
        """One object, or the items of all."""
        words = ["get", kind, *names, "--namespace", self.namespace, "--output", "json"]
        found = json.loads(self.cluster.kubectl(*words))
        return found if names else found["items"]

    def pods(self, component: str) -> list[Object]:
        """The pods of a workload that are not going."""
        pods = self.get("pods")
        label = "app.kubernetes.io/component"
        mine = [pod for pod in pods if pod["metadata"]["labels"].get(label) == component]
        return [pod for pod in mine if "deletionTimestamp" not in pod["metadata"]]

    def manifest(self) -> list[Object]:
        """What was applied, after the shim."""
        text = self.cluster.helm("get", "manifest", NAME, "--namespace", self.namespace)
        return [entry for entry in yaml.safe_load_all(text) if entry]

    def evict(self, pod: Object) -> bool:
        """Whether the budgets let a pod go, as a drain asks."""
        meta = {"name": pod["metadata"]["name"], "namespace": self.namespace}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{meta['name']}/eviction"
        body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": meta}
        try:
            self.cluster.api("POST", path, body)
        except ApiError as error:
            if error.status != 429:
                raise
            return False
        return True

    def wait(self, what: str, done: Callable[[], Any]) -> Any:
        """Until ``done``."""
        return poll(what, done, 90, 0.3)


def claim_weights(cluster: Cluster, namespace: str) -> None:
    """Makes the claim with the weights that the profiles with GPUs want to be there."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "",
        },
    }
    cluster.api("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)


@contextmanager
def namespace(cluster: Cluster, name: str, *values: str) -> Iterator[Release]:
    """A namespace with what the profiles expect; a release for it, which is not installed yet."""
    cluster.kubectl("create", "namespace", name)
    for secret, content in SECRETS.items():
        pairs = [f"--from-literal={key}={value}" for key, value in content.items()]
        cluster.kubectl("create", "secret", "generic", secret, "--namespace", name, *pairs)
    claim_weights(cluster, name)
    release = Release(cluster, name, list(values))
    yield release
    if not cluster.run("helm", "status", NAME, "--namespace", name, check=False).returncode:
        release.uninstall()
