"""What a cluster offers: its version, the APIs of operators, Kubeflow Pipelines, nodes and GPUs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from synthvlm.cluster.examination.api import Api, Object, of_namespace
from synthvlm.cluster.pods import GPU_PRODUCT
from synthvlm.errors import NotFound
from synthvlm.finding import Finding

OLDEST = (1, 33)
"""The oldest version of Kubernetes that the chart is for."""

APIS: Sequence[tuple[str, str, str, str]] = (
    ("cert-manager.io/v1", "certificates", "cert-manager", "tls.issuer"),
    ("gateway.networking.k8s.io/v1", "grpcroutes", "the Gateway API", "exposure.kind gateway"),
    ("keda.sh/v1alpha1", "scaledobjects", "KEDA", "autoscaling.kind keda"),
    ("monitoring.coreos.com/v1", "servicemonitors", "the Prometheus operator", "monitoring"),
    ("kueue.x-k8s.io/v1beta2", "clusterqueues", "Kueue 0.16 or newer", "kueue.enabled"),
    ("jobset.x-k8s.io/v1alpha2", "jobsets", "JobSet", "training.enabled"),
    ("trainer.kubeflow.org/v1alpha1", "trainjobs", "Kubeflow Trainer 2.2 or newer",
     "training.enabled"),
)  # fmt: skip
"""APIs of operators: group and version, a resource, who brings it, and the values that need it."""


def version(api: Api) -> Iterator[Finding]:
    """Whether the chart is for this version of Kubernetes."""
    answer = api.get("/version")
    text = str(answer.get("gitVersion", ""))
    numbers = re.match(r"v?(\d+)\.(\d+)", text)
    oldest = ".".join(map(str, OLDEST))
    if numbers is not None and (int(numbers[1]), int(numbers[2])) >= OLDEST:
        yield Finding("ok", "kubernetes", text)
    else:
        yield Finding(
            "missing", "kubernetes", text or "no version", f"upgrade to {oldest} or newer"
        )


def operators(api: Api, needed: frozenset[str]) -> Iterator[Finding]:
    """Which APIs of operators are served.

    Args:
        api: The cluster's.
        needed: Group and version of those that the release uses.
    """
    groups = api.get("/apis").get("groups") or []
    served = {
        str(group["name"]): [str(v["version"]) for v in group["versions"]] for group in groups
    }
    for path, resource, bringer, used_for in APIS:
        group, _, wanted = path.partition("/")
        versions = served.get(group, [])
        what = f"api: {group}"
        if wanted in versions and _has(api, path, resource):
            yield Finding("ok", what, f"{resource} {', '.join(versions)}")
            continue
        found = "not served"
        if versions:
            lacks = f"without {resource}" if wanted in versions else f"not {wanted}"
            found = f"serves {', '.join(versions)}, {lacks}"
        state: Literal["missing", "warning"] = "missing" if path in needed else "warning"
        yield Finding(state, what, found, f"install {bringer}; only values with {used_for} need it")


def _has(api: Api, path: str, resource: str) -> bool:
    try:
        listed = api.get(f"/apis/{path}").get("resources") or []
    except NotFound:
        return False
    return any(entry.get("name") == resource for entry in listed)


def pipelines(api: Api, namespace: str) -> Iterator[Finding]:
    """Whether Kubeflow Pipelines is there and runs."""
    advice = (
        f"install Kubeflow Pipelines 2 into {namespace}, or say by --kfp-namespace where it is; "
        f"only pipelines on the cluster need it"
    )
    try:
        server = api.get(f"{of_namespace(namespace, 'deployments', 'apps/v1')}/ml-pipeline")
    except NotFound:
        yield Finding("missing", "kubeflow pipelines", f"no ml-pipeline in {namespace}", advice)
        return
    image = str(server["spec"]["template"]["spec"]["containers"][0].get("image", ""))
    tag = image.partition("@")[0].rpartition(":")[2]
    if not server.get("status", {}).get("availableReplicas"):
        yield Finding(
            "missing", "kubeflow pipelines", f"{tag}, not available",
            f"kubectl --namespace {namespace} describe deployment ml-pipeline",
        )  # fmt: skip
        return
    yield Finding("ok", "kubeflow pipelines", tag)


def pools(api: Api, roles: Mapping[str, Any]) -> Iterator[Finding]:
    """What the nodes of each pool of the values can be given."""
    nodes = api.items("/api/v1/nodes")
    for name, pool in sorted(roles.items()):
        yield _pool(f"pool: {name}", name, pool, nodes)


def _pool(what: str, name: str, pool: Mapping[str, Any], nodes: Sequence[Object]) -> Finding:
    selector: Mapping[str, str] = pool.get("nodeSelector") or {}
    tolerations: Sequence[Mapping[str, str]] = pool.get("tolerations") or []
    chosen = [n for n in nodes if selector.items() <= (n["metadata"].get("labels") or {}).items()]
    ready = [node for node in chosen if _is_ready(node)]
    open_to = [node for node in ready if not _refusing(node, tolerations)]
    if open_to:
        return _offered(what, name, str(pool.get("resource") or ""), open_to)
    if ready:
        found = f"every node has a taint, such as {_refusing(ready[0], tolerations)}"
        mend = f"add it to pools.{name}.tolerations"
    elif chosen:
        found = f"{len(chosen)} nodes, none of them ready and schedulable"
        mend = "kubectl describe nodes; kubectl uncordon NODE"
    else:
        found = f"no node has the labels {dict(selector)}"
        mend = f"label nodes, or change pools.{name}.nodeSelector"
    return Finding("missing", what, found, mend)


def _offered(what: str, name: str, resource: str, nodes: Sequence[Object]) -> Finding:
    """What nodes offer that pods of the pool may run on."""
    if not resource:
        return Finding("ok", what, f"{len(nodes)} nodes")
    offers = [node["status"].get("allocatable") or {} for node in nodes]
    total = sum(int(offer.get(resource, 0)) for offer in offers)
    if not total:
        others = ", ".join(sorted({key for offer in offers for key in offer if "/" in key}))
        return Finding(
            "missing",
            what,
            f"{len(nodes)} nodes, none offers {resource}",
            f"install the device plugin (NVIDIA's GPU operator), or name what nodes offer "
            f"({others or 'nothing'}) in pools.{name}.resource",
        )
    having = [node for node in nodes if int(node["status"]["allocatable"].get(resource, 0))]
    labels = [node["metadata"].get("labels") or {} for node in having]
    products = sorted({one[GPU_PRODUCT] for one in labels if GPU_PRODUCT in one})
    found = f"{total} {resource} on {len(having)} nodes"
    if not products and resource.startswith("nvidia.com/"):
        return Finding(
            "warning",
            what,
            f"{found}, without the label {GPU_PRODUCT}",
            "install NVIDIA's GPU feature discovery; engines.products chooses nodes by it",
        )
    return Finding("ok", what, ": ".join([found, *([", ".join(products)] if products else [])]))


def _is_ready(node: Object) -> bool:
    conditions = {one["type"]: one["status"] for one in node["status"].get("conditions") or []}
    return conditions.get("Ready") == "True" and not node["spec"].get("unschedulable")


def _refusing(node: Object, tolerations: Sequence[Mapping[str, str]]) -> str:
    """The key of a taint that keeps pods with these tolerations away; empty: none does."""
    for taint in node["spec"].get("taints") or []:
        if taint.get("effect") == "PreferNoSchedule":
            continue
        if not any(_tolerates(one, taint) for one in tolerations):
            return str(taint["key"])
    return ""


def _tolerates(toleration: Mapping[str, str], taint: Mapping[str, str]) -> bool:
    if toleration.get("effect", taint["effect"]) != taint["effect"]:
        return False
    if "key" not in toleration:
        return toleration.get("operator") == "Exists"
    same = toleration["key"] == taint["key"]
    exists = toleration.get("operator", "Equal") == "Exists"
    return same and (exists or toleration.get("value", "") == taint.get("value", ""))
