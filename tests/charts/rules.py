"""What no tool sees: rules over all objects of a release. Each yields what is wrong."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.charts.objects import (
    Object,
    Template,
    find,
    hook_of,
    identity,
    named,
    of_kind,
    selects,
    templates,
)

Rule = Callable[[Sequence[Object]], Iterator[str]]


def selectors_match(objects: Sequence[Object]) -> Iterator[str]:
    """A selector that fits no pod of the release does nothing, silently."""
    pods = templates(objects)
    for entry in of_kind(objects, "Service", "Deployment", "StatefulSet", "PodDisruptionBudget"):
        selector = entry["spec"].get("selector")
        if not any(selects(selector, pod.labels) for pod in pods):
            yield f"{identity(entry)} selects no pod"
        if entry["kind"] in ("Deployment", "StatefulSet"):
            (own,) = (pod for pod in pods if pod.owner is entry)
            if not selects(selector, own.labels):
                yield f"{identity(entry)} does not select its own pods"
    for pod in pods:
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if not selects(spread["labelSelector"], pod.labels):
                yield f"{pod.name} is spread by a selector that leaves it out"
    for entry in of_kind(objects, "ServiceMonitor"):
        services = of_kind(objects, "Service")
        if not any(selects(entry["spec"]["selector"], s["metadata"]["labels"]) for s in services):
            yield f"{identity(entry)} selects no Service"
    for entry in of_kind(objects, "NetworkPolicy"):
        yield from _policy_selectors(entry, pods)


def _policy_selectors(entry: Object, pods: Sequence[Template]) -> Iterator[str]:
    if not any(selects(entry["spec"]["podSelector"], pod.labels) for pod in pods):
        yield f"{identity(entry)} selects no pod"
    ours = {"app.kubernetes.io/component"}
    rules = [entry["spec"].get(way) for way in ("ingress", "egress")]
    for selector in find(rules, "podSelector"):
        known = ours & selector.get("matchLabels", {}).keys()
        if known and not any(selects(selector, pod.labels) for pod in pods):
            yield f"{identity(entry)} lets through pods that are not there"


def ports_exist(objects: Sequence[Object]) -> Iterator[str]:
    """A port that nobody listens on is found out by the first caller."""
    pods = templates(objects)
    services = {entry["metadata"]["name"]: entry for entry in of_kind(objects, "Service")}
    for entry in services.values():
        for pod in (pod for pod in pods if selects(entry["spec"]["selector"], pod.labels)):
            for port in entry["spec"]["ports"]:
                if port.get("targetPort", port["port"]) not in _ports(pod):
                    yield f"{identity(entry)}: {pod.name} has no port {port.get('targetPort')}"
    for pod in pods:
        for probe in (value for key in _PROBES for value in find(pod.spec, key)):
            for port in find(probe, "port"):
                if port not in _ports(pod):
                    yield f"{pod.name} is probed on port {port}, which it does not have"
    for name, port in _backends(objects):
        offered = services[name]["spec"]["ports"] if name in services else []
        if port not in {value for entry in offered for value in (entry["port"], entry["name"])}:
            yield f"a route leads to port {port} of {name}, which is not there"
    for entry in of_kind(objects, "NetworkPolicy"):
        for pod in (p for p in pods if selects(entry["spec"]["podSelector"], p.labels)):
            for rule in entry["spec"].get("ingress", []):
                if unknown := {port["port"] for port in rule["ports"]} - _ports(pod):
                    yield f"{identity(entry)} opens {unknown}, which {pod.name} does not have"
    for entry in of_kind(objects, "ServiceMonitor"):
        for service in services.values():
            known = {port["name"] for port in service["spec"]["ports"]}
            wanted = {endpoint["port"] for endpoint in entry["spec"]["endpoints"]}
            if selects(entry["spec"]["selector"], service["metadata"]["labels"]) and (
                "metrics" in known and not wanted <= known
            ):
                yield f"{identity(entry)} reads {wanted} of {identity(service)}"


_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def _ports(pod: Template) -> set[Any]:
    ports = [port for container in pod.containers for port in container.get("ports", [])]
    return {value for port in ports for value in (port["name"], port["containerPort"])}


def _backends(objects: Sequence[Object]) -> Iterator[tuple[str, Any]]:
    for entry in of_kind(objects, "GRPCRoute", "HTTPRoute"):
        for reference in (one for found in find(entry["spec"], "backendRefs") for one in found):
            yield reference["name"], reference["port"]
    for entry in of_kind(objects, "Ingress"):
        for service in find(entry["spec"]["rules"], "service"):
            yield service["name"], service["port"].get("name", service["port"].get("number"))


def nothing_twice(objects: Sequence[Object]) -> Iterator[str]:
    """The API server refuses some of these at install, and keeps the last of others."""
    for name, count in Counter(map(identity, objects)).items():
        if count > 1:
            yield f"{name} is there {count} times"
    for pod in templates(objects):
        for container in pod.containers:
            lists = {
                "env": [entry["name"] for entry in container.get("env", [])],
                "port": [entry["containerPort"] for entry in container.get("ports", [])],
                "port name": [entry["name"] for entry in container.get("ports", [])],
                "mount": [entry["mountPath"] for entry in container.get("volumeMounts", [])],
            }
            for what, names in lists.items():
                for name in {name for name in names if names.count(name) > 1}:
                    yield f"{pod.name}: {container['name']} has the {what} {name} twice"
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = [volume["name"] for volume in pod.spec.get("volumes", [])]
        volumes += [claim["metadata"]["name"] for claim in claims]
        for name in {name for name in volumes if volumes.count(name) > 1}:
            yield f"{pod.name} has the volume {name} twice"
        mounted = {mount["name"] for one in pod.containers for mount in one.get("volumeMounts", [])}
        if mounted != set(volumes):
            yield f"{pod.name} mounts {sorted(mounted)} of the volumes {sorted(volumes)}"


def drains_go_on(objects: Sequence[Object]) -> Iterator[str]:
    """A budget that allows no eviction holds up the upgrade of every node."""
    for entry in of_kind(objects, "PodDisruptionBudget"):
        if entry["spec"].get("maxUnavailable") != 1 or "minAvailable" in entry["spec"]:
            yield f"{identity(entry)} blocks the drain of a node: set maxUnavailable to 1"
        if entry["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{identity(entry)} lets a pod that is not ready block a drain"
    for entry in of_kind(objects, "Deployment", "StatefulSet"):
        budgets = [
            budget
            for budget in of_kind(objects, "PodDisruptionBudget")
            if budget["spec"]["selector"] == entry["spec"]["selector"]
        ]
        if len(budgets) != 1:
            yield f"{identity(entry)} has {len(budgets)} budgets"


def one_decides_replicas(objects: Sequence[Object]) -> Iterator[str]:
    """`replicas` beside an autoscaler is reset by each upgrade, or fails it (server-side apply)."""
    scaled = [
        entry["spec"]["scaleTargetRef"]
        for entry in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    ]
    for target, count in Counter((one["kind"], one["name"]) for one in scaled).items():
        if count > 1:
            yield f"{'/'.join(target)} has {count} autoscalers"
        try:
            workload = named(objects, *target)
        except ValueError:
            yield f"{'/'.join(target)} is scaled and is not there"
            continue
        if "replicas" in workload["spec"]:
            yield f"{identity(workload)} has replicas and an autoscaler"
    for entry in of_kind(objects, "Deployment", "StatefulSet"):
        key = (entry["kind"], entry["metadata"]["name"])
        if "replicas" not in entry["spec"] and key not in {(s["kind"], s["name"]) for s in scaled}:
            yield f"{identity(entry)} has neither replicas nor an autoscaler"


def no_surge_without_a_spare_gpu(objects: Sequence[Object]) -> Iterator[str]:
    """A new pod that waits for the GPU of the old one, which waits for the new one."""
    for entry in of_kind(objects, "Deployment"):
        (pod,) = (pod for pod in templates([entry]))
        rolling = entry["spec"]["strategy"]["rollingUpdate"]
        if _wants_gpu(pod) and rolling["maxSurge"] != 0:
            yield f"{identity(entry)} asks for a spare GPU at each upgrade"
        if not rolling["maxSurge"] and not rolling["maxUnavailable"]:
            yield f"{identity(entry)} can replace no pod"


def _wants_gpu(pod: Template) -> bool:
    resources = pod.container["resources"]
    return bool(resources.get("claims")) or any("/" in name for name in resources.get("limits", {}))


def grace_covers_drain(objects: Sequence[Object]) -> Iterator[str]:
    """A pod that is killed before its calls have ended loses them."""
    for entry in of_kind(objects, "ConfigMap"):
        settings = entry["data"].get("settings.yaml", "")
        for pod in templates(objects):
            volumes = find(pod.spec.get("volumes", []), "configMap")
            if entry["metadata"]["name"] not in {volume["name"] for volume in volumes}:
                continue
            drain = float(re.findall(r"^drain_seconds: ([\d.]+)$", settings, re.M)[0])
            sleep = pod.container["lifecycle"]["preStop"]["sleep"]["seconds"]
            if pod.spec["terminationGracePeriodSeconds"] < drain + sleep + 5:
                yield f"{pod.name} is killed while it drains"


def memory_holds_shared_memory(objects: Sequence[Object]) -> Iterator[str]:
    """/dev/shm counts against the memory limit of the container that writes to it."""
    for pod in templates(objects):
        for volume in pod.spec.get("volumes", []):
            if volume.get("emptyDir", {}).get("medium") == "Memory":
                limit = pod.container["resources"]["limits"]["memory"]
                if _bytes(volume["emptyDir"]["sizeLimit"]) >= _bytes(limit):
                    yield f"{pod.name}: {volume['name']} does not fit the limit {limit}"


def _bytes(quantity: str) -> float:
    number, unit = re.findall(r"^([\d.]+)([KMGT]?)i?$", quantity)[0]
    return float(number) * float(1024 ** " KMGT".index(unit or " "))


def pods_are_restricted(objects: Sequence[Object]) -> Iterator[str]:
    """Pod Security's `restricted`, and a root file system that nobody writes to."""
    for pod in templates(objects):
        own = pod.spec["securityContext"]
        if not (own["runAsNonRoot"] and own["seccompProfile"]["type"] == "RuntimeDefault"):
            yield f"{pod.name} may run as root, or makes any system call"
        if pod.spec["automountServiceAccountToken"] or pod.spec["enableServiceLinks"]:
            yield f"{pod.name} is given a token or variables that it does not need"
        if {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys():
            yield f"{pod.name} shares a namespace of its node"
        if any("hostPath" in volume for volume in pod.spec.get("volumes", [])):
            yield f"{pod.name} mounts a folder of its node"
        for container in pod.containers:
            if container["securityContext"] != {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }:
                yield f"{pod.name}: {container['name']} has rights that it does not need"


def references_exist(objects: Sequence[Object], existing: frozenset[str]) -> Iterator[str]:
    """An object that is named must be made by the release, or named in the values.

    What runs before the release exists may name nothing of it.
    """
    made = {(entry["kind"], entry["metadata"]["name"]): hook_of(entry) for entry in objects}
    for entry in of_kind(objects, "Certificate"):
        made["Secret", entry["spec"]["secretName"]] = ""
    for pod in templates(objects):
        early = hook_of(pod.owner).startswith("pre-")
        for kind, name in _references(pod):
            if name in existing:
                continue
            if (kind, name) not in made:
                yield f"{pod.name} names the {kind} {name}, which is not there"
            elif early and not made[kind, name].startswith("pre-"):
                yield f"{pod.name} runs before the {kind} {name} is made"


def _references(pod: Template) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod.spec["serviceAccountName"]
    if "priorityClassName" in pod.spec:
        yield "PriorityClass", pod.spec["priorityClassName"]
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for secret in pod.spec.get("imagePullSecrets", []):
        yield "Secret", secret["name"]
    for container in pod.containers:
        for source in container.get("envFrom", []):
            yield "Secret", source["secretRef"]["name"]


RULES: tuple[Rule, ...] = (
    selectors_match,
    ports_exist,
    nothing_twice,
    drains_go_on,
    one_decides_replicas,
    no_surge_without_a_spare_gpu,
    grace_covers_drain,
    memory_holds_shared_memory,
    pods_are_restricted,
)
