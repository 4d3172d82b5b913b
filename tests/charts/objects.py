"""Looking into Kubernetes objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Object = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet", "Job", "Pod", "ClusterTrainingRuntime")


@dataclass(frozen=True)
class Template:
    """The pods that an object makes."""

    owner: Object
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        return identity(self.owner)

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def container(self) -> dict[str, Any]:
        (only,) = self.spec["containers"]
        found: dict[str, Any] = only
        return found

    @property
    def is_hook(self) -> bool:
        return hook_of(self.owner) != ""


def identity(entry: Object) -> str:
    return f"{entry['kind']}/{entry['metadata']['name']}"


def hook_of(entry: Object) -> str:
    found: str = entry["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return found


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [entry for entry in objects if entry["kind"] in kinds]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    (found,) = (entry for entry in of_kind(objects, kind) if entry["metadata"]["name"] == name)
    return found


def templates(objects: Iterable[Object]) -> list[Template]:
    return [template for entry in of_kind(objects, *WORKLOADS) for template in _templates(entry)]


def template(objects: Iterable[Object], name: str) -> Template:
    """The only pods of the workload ``synthvlm-NAME``."""
    (found,) = (
        one for one in templates(objects) if one.owner["metadata"]["name"] == f"synthvlm-{name}"
    )
    return found


def deployment(objects: Iterable[Object], name: str) -> Object:
    return named(objects, "Deployment", f"synthvlm-{name}")


def settings(objects: Iterable[Object], name: str) -> dict[str, Any]:
    """The settings file of the workload ``synthvlm-NAME``."""
    entry = named(objects, "ConfigMap", f"synthvlm-{name}")
    content: dict[str, Any] = yaml.safe_load(entry["data"]["settings.yaml"])
    return content


def _templates(entry: Object) -> Iterator[Template]:
    if entry["kind"] == "Pod":
        yield Template(entry, entry["metadata"].get("labels", {}), entry["spec"])
        return
    if entry["kind"] == "ClusterTrainingRuntime":
        jobs = entry["spec"]["template"]["spec"]["replicatedJobs"]
        pods = [job["template"]["spec"]["template"] for job in jobs]
    else:
        pods = [entry["spec"]["template"]]
    for pod in pods:
        yield Template(entry, pod["metadata"].get("labels", {}), pod["spec"])


def selects(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Whether matchLabels, or a Service's bare selector, fit ``labels``."""
    wanted = (selector or {}).get("matchLabels", selector or {})
    return bool(wanted) and wanted.items() <= labels.items()


def texts(node: Any) -> Iterator[str]:
    """All strings in a value."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for entry in node.values():
            yield from texts(entry)
    elif isinstance(node, list | tuple):
        for entry in node:
            yield from texts(entry)


def find(node: Any, key: str) -> Iterator[Any]:
    """All values under ``key``, however deep."""
    if isinstance(node, dict):
        for name, entry in node.items():
            if name == key:
                yield entry
            yield from find(entry, key)
    elif isinstance(node, list):
        for entry in node:
            yield from find(entry, key)
