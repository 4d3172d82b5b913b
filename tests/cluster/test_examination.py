"""What is wrong with a cluster or a release is named, with how to mend it, by reading alone."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synthvlm.cli.__main__ import run
from synthvlm.cluster.examination.api import connect
from synthvlm.cluster.examination.examine import examine
from synthvlm.cluster.examination.platform import APIS
from synthvlm.finding import Finding
from tests.charts.rendering import configuration
from tests.cluster.recorded import ApiServer, api_server, kubeconfig

GPU = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "gpu-0", "labels": {"nvidia.com/gpu.product": "NVIDIA-L4"}},
    "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule", "value": "present"}]},
    "status": {
        "allocatable": {"cpu": "8", "nvidia.com/gpu": "4"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
CPU = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "cpu-0"},
    "spec": {},
    "status": {
        "allocatable": {"cpu": "8"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
KFP = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "ml-pipeline"},
    "spec": {
        "template": {"spec": {"containers": [{"image": "ghcr.io/kubeflow/api-server:2.15.0"}]}}
    },
    "status": {"availableReplicas": 1},
}
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "images", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
SECRETS = ("the-store", "the-token", "the-database", "the-registry", "more", "the-provider",
           "synthvlm-client-tls", "synthvlm-triton-tls", *(f"synthvlm-{word}-tls" for word in
           ("caption", "generation", "alignment", "dataset", "review")))  # fmt: skip


def healthy(server: ApiServer) -> None:
    """The release with everything, on a cluster that has what it needs."""
    for entry in copy.deepcopy(list(configuration("everything"))):
        if entry["kind"] in ("Deployment", "StatefulSet"):
            entry["status"] = {"availableReplicas": entry["spec"].get("replicas", 1)}
        server.add(entry)
    for entry in (GPU, CPU, NAMESPACE):
        server.add(copy.deepcopy(entry))
    server.add(copy.deepcopy(KFP), "kubeflow")
    for name in SECRETS:
        server.add({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
             "metadata": {"name": "the-weights"}, "spec": {},
             "status": {"phase": "Bound", "capacity": {"storage": "40Gi"}}}  # fmt: skip
    server.add(claim)
    server.answers["/version"] = {"gitVersion": "v1.37.0"}
    groups = {}
    for path, resource, *_ in APIS:
        group, _, version = path.partition("/")
        groups[group] = {"name": group, "versions": [{"version": version}]}
        server.answers[f"/apis/{path}"] = {"resources": [{"name": resource}]}
    server.answers["/apis"] = {"groups": list(groups.values())}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with api_server() as started:
        healthy(started)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, started.url)))
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
            str(tmp_path / "kubeconfig"),
        )
        yield started


def findings(**options: Any) -> dict[str, Finding]:
    api, namespace = connect(None)
    assert namespace == "images"
    found, _ = examine(api, namespace, options.get("name"), "kubeflow")
    return {one.what: one for one in found}


def test_a_cluster_that_has_everything(server: ApiServer) -> None:
    found = findings()
    assert {one.what: one for one in found.values() if one.state != "ok"} == {}
    assert found["pool: gpu"].found == "4 nvidia.com/gpu on 1 nodes: NVIDIA-L4"
    assert found["kubeflow pipelines"].found == "2.15.0"
    assert found["claim: the-weights"].found == "bound 40Gi"
    assert {f"secret: {name}" for name in SECRETS} <= found.keys()
    assert "deployment: synthvlm-review" in found
    assert "statefulset: synthvlm-triton" in found


def test_nothing_is_written_and_no_secret_is_read(server: ApiServer) -> None:
    findings()
    assert {method for method, _, _ in server.asked} == {"GET"}
    accepted = {accept for _, path, accept in server.asked if "/secrets" in path}
    assert accepted
    assert all(one.startswith("application/json;as=PartialObjectMetadata") for one in accepted)


def change(kind: str, name: str, **parts: Any) -> Callable[[ApiServer], None]:
    def applied(server: ApiServer) -> None:
        for path, value in parts.items():
            node = server.find(kind, name)
            *steps, last = path.split("__")
            for step in steps:
                node = node.setdefault(step, {})
            node[last] = value

    return applied


def gone(kind: str, name: str) -> Callable[[ApiServer], None]:
    return lambda server: server.remove(kind, name)


def waiting(reason: str, **more: Any) -> Callable[[ApiServer], None]:
    def applied(server: ApiServer) -> None:
        entry = server.find("Deployment", "synthvlm-caption")
        entry["status"] = {}
        labels = entry["spec"]["selector"]["matchLabels"]
        container = {"name": "caption", "state": {"waiting": {"reason": reason}}, **more}
        server.add(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "caption-0", "labels": labels},
                "status": {"containerStatuses": [container]},
            }
        )

    return applied


def unschedulable(server: ApiServer) -> None:
    waiting("")(server)
    server.find("Pod", "caption-0")["status"] = {
        "conditions": [{"reason": "Unschedulable", "message": "0/2 nodes: Insufficient cpu."}]
    }


def old(server: ApiServer) -> None:
    server.answers["/version"] = {"gitVersion": "v1.30.4+eks"}


def without(group: str) -> Callable[[ApiServer], None]:
    def applied(server: ApiServer) -> None:
        groups = server.answers["/apis"]["groups"]
        server.answers["/apis"]["groups"] = [one for one in groups if one["name"] != group]

    return applied


def older_kueue(server: ApiServer) -> None:
    for group in server.answers["/apis"]["groups"]:
        if group["name"] == "kueue.x-k8s.io":
            group["versions"] = [{"version": "v1beta1"}]


def without_resource(server: ApiServer) -> None:
    server.answers["/apis/trainer.kubeflow.org/v1alpha1"] = {"resources": []}


def unbound(server: ApiServer) -> None:
    change("PersistentVolumeClaim", "the-weights", status__phase="Pending")(server)
    change("PersistentVolumeClaim", "the-weights", spec__storageClassName="fast")(server)


def forbidden(path: str) -> Callable[[ApiServer], None]:
    return lambda server: server.forbidden.add(path)


MISTAKES: list[tuple[str, Callable[[ApiServer], Any], str, str, str, str]] = [
    ("old", old, "kubernetes", "missing", "v1.30.4", "upgrade to 1.33"),
    ("no-trainer", without("trainer.kubeflow.org"), "api: trainer.kubeflow.org", "missing",
     "not served", "install Kubeflow Trainer"),
    ("no-keda", without("keda.sh"), "api: keda.sh", "warning", "not served", "install KEDA"),
    ("kueue", older_kueue, "api: kueue.x-k8s.io", "missing", "serves v1beta1, not v1beta2",
     "install Kueue"),
    ("no-trainjobs", without_resource, "api: trainer.kubeflow.org", "missing",
     "serves v1alpha1, without trainjobs", "Kubeflow Trainer 2.2"),
    ("no-kfp", gone("Deployment", "ml-pipeline"), "kubeflow pipelines", "missing",
     "no ml-pipeline in kubeflow", "install Kubeflow Pipelines"),
    ("kfp-down", change("Deployment", "ml-pipeline", status={}), "kubeflow pipelines", "missing",
     "2.15.0, not available", "describe deployment ml-pipeline"),
    ("no-node", gone("Node", "gpu-0"), "pool: gpu", "missing", "none offers nvidia.com/gpu",
     "install the device plugin"),
    ("cordoned", change("Node", "cpu-0", spec__unschedulable=True), "pool: cpu", "missing",
     "every node has a taint, such as nvidia.com/gpu", "add it to pools.cpu.tolerations"),
    ("mig", change("Node", "gpu-0", status__allocatable={"nvidia.com/mig-1g.10gb": "7"}),
     "pool: gpu", "missing", "none offers nvidia.com/gpu", "nvidia.com/mig-1g.10gb"),
    ("no-label", change("Node", "gpu-0", metadata__labels={}), "pool: gpu", "warning",
     "without the label nvidia.com/gpu.product", "GPU feature discovery"),
    ("no-secret", gone("Secret", "the-token"), "secret: the-token", "missing", "not there",
     "create secret generic the-token"),
    ("no-claim", gone("PersistentVolumeClaim", "the-weights"), "claim: the-weights", "missing",
     "not there", "make it"),
    ("unbound", unbound, "claim: the-weights", "missing", "Pending", "no StorageClass fast"),
    ("image", waiting("ImagePullBackOff"), "deployment: synthvlm-caption", "missing",
     "0 of 1 pods are ready: caption ImagePullBackOff", "images.registry"),
    ("crash", waiting("CrashLoopBackOff"), "deployment: synthvlm-caption", "missing",
     "CrashLoopBackOff", "logs caption-0 --previous"),
    ("memory", waiting("CrashLoopBackOff",
                       lastState={"terminated": {"reason": "OOMKilled"}}),
     "deployment: synthvlm-caption", "missing", "OOMKilled", "larger memory limit"),
    ("full", unschedulable, "deployment: synthvlm-caption", "missing", "Insufficient cpu",
     "add nodes"),
    ("open", gone("NetworkPolicy", "synthvlm-default"), "network policies", "ok", "11;", ""),
    ("pod-security", change("Namespace", "images", metadata__labels={}), "pod security",
     "warning", "enforces nothing", "enforce=restricted"),
    ("rights", forbidden("/api/v1/nodes"), "pools", "warning", "you may not read /api/v1/nodes",
     "get and list"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mistake", "what", "state", "said", "mend"),
    [pytest.param(*rest, id=name) for name, *rest in MISTAKES],
)
def test_a_mistake_is_named_with_its_remedy(
    server: ApiServer,
    mistake: Callable[[ApiServer], Any],
    what: str,
    state: str,
    said: str,
    mend: str,
) -> None:
    mistake(server)
    found = findings()[what]
    assert found.state == state
    assert said in found.found
    assert mend in found.mend


def test_pods_that_no_policy_covers(server: ApiServer) -> None:
    for path in [path for path in server.objects if "/networkpolicies/" in path]:
        del server.objects[path]
    found = findings()["network policies"]
    assert (found.state, "synthvlm-caption" in found.found) == ("warning", True)


def test_a_namespace_without_a_release(server: ApiServer) -> None:
    server.remove("ConfigMap", "synthvlm-pipelines")
    found = findings()
    assert found["release"].state == "missing"
    assert found["release"].found == "images has no release of the chart"
    assert "helm install synthvlm charts/synthvlm --namespace images" in found["release"].mend
    # What the cluster offers is said all the same.
    assert found["kubeflow pipelines"].state == "ok"
    healthy(server)
    other = findings(name="other")["release"]
    assert other.found == "images has releases synthvlm, not other"


def test_a_server_that_cannot_be_reached(server: ApiServer) -> None:
    server.shutdown()
    server.server_close()
    (found,) = findings().values()
    assert found.state == "missing"
    assert "cannot be reached" in found.found


def test_the_command(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--cluster", "--no-dial", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {entry["state"] for entry in shown} == {"ok", "warning"}
    (answers,) = (entry for entry in shown if entry["what"] == "answers")
    assert "--dial in a pod" in answers["mend"]
    server.remove("Secret", "the-token")
    assert run(["doctor", "--cluster", "--no-dial"]) == 1
    assert "the-token" in capsys.readouterr().out
    assert run(["doctor", "--namespace", "images"]) == 2


def test_dialling_asks_services_catalogue_and_store(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    data = server.find("ConfigMap", "synthvlm-pipelines")["data"]
    for key in [key for key in data if key.endswith("_address")]:
        data[key] = "127.0.0.1:9"
    data["store_uri"] = (tmp_path / "store").as_uri()
    monkeypatch.setattr("synthvlm.cli.commands.doctor.dialling._SECONDS", 2.0)
    assert run(["doctor", "--cluster", "--dial", "--json"]) == 1
    found = {entry["what"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["answers: caption"]["state"] == found["catalogue"]["state"] == "missing"
    assert found["store"]["state"] == "ok"
