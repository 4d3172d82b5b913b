"""The APIs of the projects that the chart makes objects of, from their CRDs' schemas.

Their controllers are not there: nothing comes of the objects.
"""

import functools
import json
from pathlib import Path
from typing import Any

from tests.charts import crds
from tests.rig.api import ApiError
from tests.rig.cluster import Cluster
from tests.rig.processes import poll

_SCHEMAS = Path(crds.__path__[0])
_OF_THE_CLUSTER = {"ClusterQueue", "ClusterTrainingRuntime", "ResourceFlavor"}
_PLURALS = {"BackendTrafficPolicy": "backendtrafficpolicies"}
_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definitions() -> list[dict[str, Any]]:
    """The CRDs."""
    return [_definition(path) for path in sorted(_SCHEMAS.glob("*.json"))]


def install_crds(cluster: Cluster) -> None:
    """Adds what is missing, and waits until it is served."""
    for crd in definitions():
        try:
            cluster.api("POST", _PATH, crd)
        except ApiError as error:
            if error.status != 409:
                raise
    for crd in definitions():
        name = crd["metadata"]["name"]
        poll(name, functools.partial(_established, cluster, name))


def remove_crd(cluster: Cluster, name: str) -> None:
    """Takes one away, with its objects."""
    cluster.api("DELETE", f"{_PATH}/{name}")
    poll(name, lambda: not _exists(cluster, name))


def _definition(path: Path) -> dict[str, Any]:
    group, version, kind = path.stem.split("_")
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # The server wants to know who agreed to a definition in a group of Kubernetes' own.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Cluster" if kind in _OF_THE_CLUSTER else "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{
                "name": version,
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": json.loads(path.read_text(encoding="utf-8"))},
                "subresources": {"status": {}},
            }],
        },
    }  # fmt: skip


def _exists(cluster: Cluster, name: str) -> bool:
    try:
        cluster.api("GET", f"{_PATH}/{name}")
    except ApiError as error:
        return error.status != 404
    return True


def _established(cluster: Cluster, name: str) -> bool:
    status = cluster.api("GET", f"{_PATH}/{name}").get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    if conditions.get("NamesAccepted") == "False":
        raise AssertionError(status)
    return conditions.get("Established") == "True"
