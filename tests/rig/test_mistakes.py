"""Mistakes that a server sees: some refuse the object, some keep its pods from ever being ready."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.objects import Object, named
from tests.charts.rendering import configuration
from tests.rig.api import ApiError
from tests.rig.cluster import Cluster
from tests.rig.processes import poll

NAMESPACE = "mistakes"
PATHS = {
    "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    "Service": f"/api/v1/namespaces/{NAMESPACE}/services",
    "ConfigMap": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
}


@pytest.fixture(scope="module", autouse=True)
def space(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", NAMESPACE)


def caption() -> Object:
    """The Deployment of the caption service, as 1.20 takes it."""
    entry = copy.deepcopy(named(configuration("mini"), "Deployment", "synthvlm-caption"))
    (container,) = entry["spec"]["template"]["spec"]["containers"]
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle"):
        del container[key]
    return entry


def spec(entry: Object) -> dict[str, Any]:
    found: dict[str, Any] = entry["spec"]["template"]["spec"]
    return found


def selector(entry: Object) -> None:
    entry["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] = "captions"


def port(entry: Object) -> None:
    spec(entry)["containers"][0]["ports"][0]["containerPort"] = 500500


def port_name(entry: Object) -> None:
    spec(entry)["containers"][0]["ports"][0]["name"] = "much-too-long-a-name"


def quantity(entry: Object) -> None:
    spec(entry)["containers"][0]["resources"]["requests"]["memory"] = "1 GB"


def too_much(entry: Object) -> None:
    spec(entry)["containers"][0]["resources"]["requests"]["memory"] = "900Gi"
    spec(entry)["containers"][0]["resources"]["limits"]["memory"] = "800Gi"


def mount(entry: Object) -> None:
    spec(entry)["containers"][0]["volumeMounts"][0]["name"] = "temporary"


def two_volumes(entry: Object) -> None:
    spec(entry)["volumes"].append(spec(entry)["volumes"][0])


def surge(entry: Object) -> None:
    entry["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": 0}


def label(entry: Object) -> None:
    entry["metadata"]["labels"]["app.kubernetes.io/version"] = "0.1.0 (beta)"


REFUSED: dict[str, tuple[Callable[[Object], None], str]] = {
    "a selector that does not fit its own pods": (selector, "does not match template `labels`"),
    "a port that does not exist": (port, "must be between 1 and 65535"),
    "a name of a port that is too long": (port_name, "must be no more than 15 characters"),
    "an amount with a space": (quantity, "quantities must match"),
    "a request above the limit": (too_much, "must be less than or equal to memory limit"),
    "a mount of a volume that is not there": (mount, "volumeMounts\\[0\\].name.*Not found"),
    "two volumes of one name": (two_volumes, "Duplicate value"),
    "a rollout that may neither add nor take a pod": (surge, "may not be 0 when `maxSurge` is 0"),
    "a label with a space": (label, "a valid label must be"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_the_server_refuses(cluster: Cluster, mistake: str) -> None:
    change, message = REFUSED[mistake]
    entry = caption()
    change(entry)
    with pytest.raises(ApiError, match=message):
        cluster.api("POST", f"{PATHS['Deployment']}?dryRun=All", entry)


def test_the_server_takes_it_without_a_mistake(cluster: Cluster) -> None:
    cluster.api("POST", f"{PATHS['Deployment']}?dryRun=All", caption())


def test_kubectl_refuses_a_misspelt_field(cluster: Cluster) -> None:
    """The server's schema knows it; an API call without validation would drop it."""
    entry = caption()
    entry["spec"]["replica"] = 3
    done = cluster.run(
        "kubectl", "create", "--namespace", NAMESPACE, "--dry-run=server", "--validate=strict",
        "--filename=-", input=json.dumps(entry), check=False,
    )  # fmt: skip
    assert done.returncode
    assert "unknown field" in done.stderr


def condition(cluster: Cluster, name: str, kind: str) -> str:
    status = cluster.api("GET", f"{PATHS['Deployment']}/{name}").get("status", {})
    found = [one["message"] for one in status.get("conditions") or () if one["type"] == kind]
    return " ".join(found)


def test_pods_without_their_service_account_are_never_made(cluster: Cluster) -> None:
    entry = caption()
    entry["metadata"]["name"] = "no-account"
    cluster.api("POST", PATHS["Deployment"], entry)
    poll("reason", lambda: "serviceaccount" in condition(cluster, "no-account", "ReplicaFailure"))


def test_the_selector_of_a_deployment_cannot_be_changed_by_an_upgrade(cluster: Cluster) -> None:
    entry = caption()
    entry["metadata"]["name"] = "fixed"
    cluster.api("POST", PATHS["Deployment"], entry)
    for labels in (
        entry["spec"]["selector"]["matchLabels"],
        entry["spec"]["template"]["metadata"]["labels"],
    ):
        labels["more"] = "labels"
    with pytest.raises(ApiError, match="field is immutable"):
        cluster.api("PUT", f"{PATHS['Deployment']}/fixed", entry)


def test_names_that_match_nothing_are_taken_without_a_word(cluster: Cluster) -> None:
    """Which is why the chart's tests have rules of their own for them."""
    service = copy.deepcopy(named(configuration("mini"), "Service", "synthvlm-caption"))
    service["spec"]["selector"] = {"app.kubernetes.io/component": "captions"}
    service["spec"]["ports"][0]["targetPort"] = "grcp"
    del service["spec"]["ports"][0]["appProtocol"]
    cluster.api("POST", PATHS["Service"], service)
    entry = caption()
    environment = spec(entry)["containers"][0]["env"]
    environment.append(environment[0])
    cluster.api("POST", f"{PATHS['Deployment']}?dryRun=All", entry)
