"""Each profile on a real API server: install, helm test, upgrade, rollback, uninstall."""

import functools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.objects import of_kind
from tests.charts.rendering import CHART, PROFILES, configuration
from tests.contracts.words import ROOT
from tests.rig.cluster import Cluster
from tests.rig.crds import install_crds, remove_crd
from tests.rig.releases import Release, namespace


@pytest.fixture(scope="module", params=PROFILES)
def release(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Release]:
    """A profile, installed in a namespace of its own."""
    profile = request.param
    values = f"--values={CHART / f'values-{profile}.yaml'}"
    with namespace(cluster, profile, values) as made:
        made.helm("install")
        yield made


LOWERED = {
    "startupProbe by gRPC became TCP",
    "readinessProbe by gRPC became TCP",
    "livenessProbe by gRPC became TCP",
    "the sleep before its stop became an annotation",
    "nodeTaintsPolicy taken out",
    "unhealthyPodEvictionPolicy taken out",
    "policy/v1 became policy/v1beta1",
    "autoscaling/v2 became autoscaling/v2beta2",
}
"""What the server did not see as it is; tests/charts holds it to the schemas of today."""


def test_what_the_old_server_does_not_know_is_what_is_told(release: Release) -> None:
    text = release.cluster.shim_log.read_text(encoding="utf-8")
    found = {re.sub(r"^\S+: (\S*[.:] ?)?", "", line) for line in text.splitlines()}
    assert found <= LOWERED
    told = (ROOT / "docs" / "operate" / "checks.md").read_text(encoding="utf-8")
    for field in ("gRPC", "sleep", "nodeTaintsPolicy", "unhealthyPodEvictionPolicy"):
        assert field in told


def lost(asked: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Fields that were applied and that the server does not have."""
    if isinstance(asked, dict):
        for key, value in asked.items():
            if not isinstance(kept, dict) or key not in kept:
                if value not in ({}, [], None, ""):
                    yield f"{path}.{key}"
            else:
                yield from lost(value, kept[key], f"{path}.{key}")
    elif isinstance(asked, list):
        if not isinstance(kept, list) or len(kept) < len(asked):
            yield path
        else:
            for i, value in enumerate(asked):
                yield from lost(value, kept[i], f"{path}[{i}]")


def test_the_server_keeps_every_field(release: Release) -> None:
    """One that it does not know is dropped without a word."""
    asked = release.manifest()
    assert len(asked) > 20
    for entry in asked:
        group, _, version = entry["apiVersion"].rpartition("/")
        # Of an older version that the server prefers, fields would be missing that it keeps.
        kind = f"{entry['kind']}.{version}.{group}" if group else entry["kind"]
        kept = release.get(kind, entry["metadata"]["name"])
        assert list(lost(entry, kept)) == []


def test_every_workload_runs_and_has_addresses(release: Release) -> None:
    profile = release.namespace
    for entry in of_kind(configuration(profile), "Deployment", "StatefulSet"):
        name = entry["metadata"]["name"]
        status = release.get(entry["kind"], name)["status"]
        assert status["readyReplicas"] == status["replicas"]
        (subset,) = release.get("endpoints", name)["subsets"]
        assert len(subset["addresses"]) == status["readyReplicas"]
        assert {port["port"] for port in subset["ports"]} >= {9090}


def test_gpu_pods_run_in_the_tainted_pool_and_the_others_outside(release: Release) -> None:
    nodes = {
        node["metadata"]["name"]: bool(node["spec"].get("taints")) for node in release.get("nodes")
    }
    asked = 0
    for pod in release.get("pods"):
        limits = [c["resources"].get("limits", {}) for c in pod["spec"]["containers"]]
        wants = any("nvidia.com/gpu" in one for one in limits)
        assert nodes[pod["spec"]["nodeName"]] == wants, pod["metadata"]["name"]
        asked += wants
    assert asked == {"mini": 0, "single-gpu": 1, "cluster": 5}[release.namespace]


def test_every_pod_has_its_network_policy_and_the_default_that_denies(release: Release) -> None:
    policies = release.get("networkpolicies")
    names = {one["metadata"]["name"] for one in policies}
    assert "synthvlm-default" in names
    for entry in of_kind(configuration(release.namespace), "Deployment", "StatefulSet"):
        assert entry["metadata"]["name"] in names
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_helm_test_succeeds(release: Release) -> None:
    tested = release.test()
    count = len(of_kind(configuration(release.namespace), "Deployment"))
    assert tested.count("Succeeded") >= count


def test_a_drain_takes_one_pod_of_a_workload_at_a_time(release: Release) -> None:
    """A budget that no pod of it can meet would hold up the drain for ever."""
    for entry in of_kind(configuration(release.namespace), "Deployment"):
        name = entry["metadata"]["name"]
        release.wait("budget", functools.partial(spare, release, name))
        pods = release.pods(name.removeprefix("synthvlm-"))
        assert release.evict(pods[0])
        if len(pods) > 1:
            assert not release.evict(pods[1])


def spare(release: Release, budget: str) -> bool:
    """Whether a budget lets a pod go now."""
    return bool(release.get("pdb", budget)["status"].get("disruptionsAllowed"))


def test_an_upgrade_replaces_the_pods_it_concerns_and_a_rollback_brings_them_back(
    release: Release,
) -> None:
    def checksums() -> dict[str, str]:
        return {
            entry["metadata"]["name"]: entry["spec"]["template"]["metadata"]["annotations"][
                "checksum/settings"
            ]
            for entry in release.get("deployments")
        }

    before = checksums()
    release.helm("upgrade", "--set=services.dataset.config.shard_size=77")
    changed = checksums()
    assert {name for name in before if before[name] != changed[name]} == {"synthvlm-dataset"}
    release.helm("rollback")
    assert checksums() == before


def test_an_upgrade_leaves_the_number_of_pods_to_the_autoscaler(release: Release) -> None:
    if release.namespace != "cluster":
        pytest.skip("nothing is scaled in this profile")
    scale = {"spec": {"replicas": 5}}
    path = f"/apis/apps/v1/namespaces/{release.namespace}/deployments/synthvlm-alignment/scale"
    release.cluster.api("PATCH", path, scale, "application/merge-patch+json")
    release.helm("upgrade", "--set=services.alignment.config.drain_seconds=60")
    assert release.get("deployment", "synthvlm-alignment")["spec"]["replicas"] == 5
    scale["spec"]["replicas"] = 1
    release.cluster.api("PATCH", path, scale, "application/merge-patch+json")


def test_uninstalling_leaves_the_data(release: Release) -> None:
    """The last one: the release is gone afterwards."""
    release.uninstall()
    left = {claim["metadata"]["name"] for claim in release.get("pvc")}
    kept = set() if release.namespace == "cluster" else {"synthvlm-data"}
    assert left == {"models"} | kept
    assert release.get("deployments") == []
    assert release.get("networkpolicies") == []


def test_a_cluster_without_an_api_is_told_what_to_install(cluster: Cluster) -> None:
    remove_crd(cluster, "scaledobjects.keda.sh")
    try:
        with namespace(cluster, "bare", f"--values={CHART}/values-cluster.yaml") as made:
            with pytest.raises(RuntimeError, match=r"does not serve keda\.sh.*install KEDA first"):
                made.helm("install")
            assert made.get("deployments") == []
    finally:
        install_crds(cluster)
