"""A release of the chart: its workloads, what they name, and who may reach them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthvlm.cluster.examination.api import Api, Object, of_namespace
from synthvlm.errors import NotFound
from synthvlm.finding import Finding

_NO_IMAGE = "push the image, or mend images.registry, images.tag and images.pullSecrets"
_LEVEL = "pod-security.kubernetes.io/enforce"
_MENDS = {
    "ImagePullBackOff": _NO_IMAGE,
    "ErrImagePull": _NO_IMAGE,
    "CrashLoopBackOff": "kubectl --namespace {namespace} logs {pod} --previous",
    "CreateContainerConfigError": "kubectl --namespace {namespace} describe pod {pod}: a Secret or "
    "key that it names is not there",
    "OOMKilled": "give the workload a larger memory limit",
}


@dataclass(frozen=True)
class Release:
    """A release of the chart in a namespace.

    Attributes:
        name: Its name in Helm.
        namespace: Where it is.
        data: What the chart tells pipelines: addresses, store, pools, Secrets.
    """

    name: str
    namespace: str
    data: Mapping[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """Labels of all its objects."""
        return {"app.kubernetes.io/name": "synthvlm", "app.kubernetes.io/instance": self.name}

    @property
    def pools(self) -> dict[str, Any]:
        """The roles of nodes of its values."""
        found: dict[str, Any] = json.loads(self.data.get("pools", "{}"))
        return found

    @property
    def addresses(self) -> dict[str, str]:
        """Where its services are, by their word."""
        ends = "_address"
        return {k.removesuffix(ends): v for k, v in self.data.items() if k.endswith(ends)}


def find_release(api: Api, namespace: str, name: str | None) -> Release:
    """The release in a namespace.

    Raises:
        NotFound: There is none, or none of that name, or several and none is named.
    """
    labels = {"app.kubernetes.io/name": "synthvlm", "app.kubernetes.io/component": "pipelines"}
    maps = api.items(of_namespace(namespace, "configmaps"), labels)
    found = {one["metadata"]["labels"]["app.kubernetes.io/instance"]: one for one in maps}
    if name is None and len(found) == 1:
        (name,) = found
    if name not in found:
        there = f"releases {', '.join(sorted(found))}" if found else "no release of the chart"
        raise NotFound(
            f"{namespace} has {there}" if name is None else f"{namespace} has {there}, not {name}"
        )
    return Release(str(name), namespace, found[name].get("data") or {})


def needed_apis(api: Api, release: Release) -> frozenset[str]:
    """Group and version of the operators' APIs that the release uses."""
    needed: set[str] = set()
    if "queue" in release.data:
        needed.add("kueue.x-k8s.io/v1beta2")
    path = of_namespace(release.namespace, "roles", "rbac.authorization.k8s.io/v1")
    for role in api.items(path, release.labels):
        for rule in role.get("rules") or []:
            if "trainjobs" in rule.get("resources", []):
                needed |= {"trainer.kubeflow.org/v1alpha1", "jobset.x-k8s.io/v1alpha2"}
    return frozenset(needed)


def workloads(api: Api, release: Release) -> Iterator[Finding]:
    """Whether everything that serves has its pods."""
    for entry in _workloads(api, release):
        what = f"{entry['kind'].lower()}: {entry['metadata']['name']}"
        wanted = entry["spec"].get("replicas", 1)
        status = entry.get("status") or {}
        there = status.get("availableReplicas") or status.get("readyReplicas") or 0
        if there >= wanted:
            yield Finding("ok", what, f"{there} of {wanted} pods are ready")
            continue
        problem, mend = _trouble(api, release, entry)
        yield Finding("missing", what, f"{there} of {wanted} pods are ready{problem}", mend)


def _workloads(api: Api, release: Release) -> list[Object]:
    found = []
    for resource, kind in (("deployments", "Deployment"), ("statefulsets", "StatefulSet")):
        path = of_namespace(release.namespace, resource, "apps/v1")
        found += [{**entry, "kind": kind} for entry in api.items(path, release.labels)]
    return found


def _trouble(api: Api, release: Release, entry: Object) -> tuple[str, str]:
    """Why the pods of a workload are not ready, and what to do."""
    labels = entry["spec"]["selector"]["matchLabels"]
    for pod in api.items(of_namespace(release.namespace, "pods"), labels):
        name = pod["metadata"]["name"]
        status = pod.get("status") or {}
        for condition in status.get("conditions") or []:
            if condition.get("reason") == "Unschedulable":
                return (
                    f": {condition.get('message', 'no node takes a pod')}",
                    "add nodes to the pool, or ask for less (resources, gpus, pool)",
                )
        containers = [*(status.get("initContainerStatuses") or []),
                      *(status.get("containerStatuses") or [])]  # fmt: skip
        for container in containers:
            waiting = (container.get("state") or {}).get("waiting") or {}
            ended = (container.get("lastState") or {}).get("terminated") or {}
            reason = str(ended.get("reason") if ended.get("reason") == "OOMKilled"
                         else waiting.get("reason") or "")  # fmt: skip
            if reason in _MENDS:
                mend = _MENDS[reason].format(namespace=release.namespace, pod=name)
                return f": {container['name']} {reason}", mend
    name = entry["metadata"]["name"]
    describe = f"kubectl --namespace {release.namespace} describe {entry['kind'].lower()} {name}"
    return "", f"models may be loading; {describe}"


def secrets(api: Api, release: Release) -> Iterator[Finding]:
    """Whether the Secrets that the release names exist; what is in them is not read."""
    for name in sorted(_named_secrets(api, release)):
        what = f"secret: {name}"
        try:
            api.get(f"{of_namespace(release.namespace, 'secrets')}/{name}", metadata_only=True)
        except NotFound:
            yield Finding(
                "missing", what, "not there",
                f"kubectl --namespace {release.namespace} create secret generic {name} …; "
                f"docs/operate/secrets.md says what it holds",
            )  # fmt: skip
        else:
            yield Finding("ok", what, "is there")


def _named_secrets(api: Api, release: Release) -> set[str]:
    names = {release.data[key] for key in ("token_secret", "tls_secret") if key in release.data}
    for entry in _workloads(api, release):
        pod = entry["spec"]["template"]["spec"]
        names |= {one["name"] for one in pod.get("imagePullSecrets") or []}
        names |= {v["secret"]["secretName"] for v in pod.get("volumes") or [] if "secret" in v}
        for container in (*(pod.get("initContainers") or []), *pod["containers"]):
            for source in container.get("envFrom") or []:
                names |= {source["secretRef"]["name"]} if "secretRef" in source else set()
    return names


def claims(api: Api, release: Release) -> Iterator[Finding]:
    """Whether the volumes that the release names are there."""
    names = {
        volume["persistentVolumeClaim"]["claimName"]
        for entry in _workloads(api, release)
        for volume in entry["spec"]["template"]["spec"].get("volumes") or []
        if "persistentVolumeClaim" in volume
    }
    for name in sorted(names):
        what = f"claim: {name}"
        try:
            claim = api.get(f"{of_namespace(release.namespace, 'persistentvolumeclaims')}/{name}")
        except NotFound:
            yield Finding("missing", what, "not there", "make it, or mend the value that names it")
            continue
        phase = (claim.get("status") or {}).get("phase", "unknown")
        if phase == "Bound":
            size = (claim["status"].get("capacity") or {}).get("storage", "")
            yield Finding("ok", what, f"bound {size}".strip())
            continue
        yield Finding("missing", what, str(phase), _unbound(api, claim))


def _unbound(api: Api, claim: Object) -> str:
    wanted = claim["spec"].get("storageClassName")
    classes = api.items("/apis/storage.k8s.io/v1/storageclasses")
    names = [one["metadata"]["name"] for one in classes]
    if wanted and wanted not in names:
        return f"there is no StorageClass {wanted}; there are: {', '.join(names) or 'none'}"
    key = "storageclass.kubernetes.io/is-default-class"
    marked = [
        one for one in classes if (one["metadata"].get("annotations") or {}).get(key) == "true"
    ]
    if not wanted and not marked:
        return "the cluster has no default StorageClass: give store.claim.storageClassName"
    return f"kubectl describe pvc {claim['metadata']['name']}: its provisioner says what it lacks"


def policies(api: Api, release: Release) -> Iterator[Finding]:
    """Whether all pods are closed to those whom no rule names."""
    path = of_namespace(release.namespace, "networkpolicies", "networking.k8s.io/v1")
    made = api.items(path, release.labels)
    selectors = [one["spec"].get("podSelector", {}).get("matchLabels") or {} for one in made]
    opened = sorted(
        entry["metadata"]["name"]
        for entry in _workloads(api, release)
        if not any(
            selector.items() <= entry["spec"]["template"]["metadata"]["labels"].items()
            for selector in selectors
        )
    )
    if opened:
        yield Finding(
            "warning", "network policies", f"none covers {', '.join(opened)}",
            "set networkPolicy.enabled to true",
        )  # fmt: skip
        return
    # Which is not to be seen from here: the API keeps policies whether or not anything obeys them.
    yield Finding(
        "ok", "network policies", f"{len(made)}; that the CNI enforces them is not checked"
    )


def namespace_policy(api: Api, release: Release) -> Iterator[Finding]:
    """Whether the namespace keeps pods to the restricted standard."""
    entry = api.get(f"/api/v1/namespaces/{release.namespace}")
    level = (entry["metadata"].get("labels") or {}).get(_LEVEL)
    if level == "restricted":
        yield Finding("ok", "pod security", level)
        return
    yield Finding(
        "warning", "pod security", f"enforces {level or 'nothing'}",
        f"kubectl label namespace {release.namespace} {_LEVEL}=restricted",
    )  # fmt: skip
