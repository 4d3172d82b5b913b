"""Helm post-renderer: today's manifests in, what a Kubernetes 1.20 API server takes out.

1. Objects whose API version came after 1.20 go to the beta version of the same shape.
2. gRPC probes become TCP probes; the sleep before a stop becomes the annotation that ``running``
   reads.
3. A field that 1.20's schema does not know but that of ``TODAY`` does is taken out. A field that
   neither knows stays in, so that the server refuses a misspelt one.

Every change is a line in $K120SHIM_LOG, ``Kind/name: what``: what an install on this server did not
prove. Custom resources pass untouched.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

TODAY = "1.37"
MOVED = {
    ("policy/v1", "PodDisruptionBudget"): "policy/v1beta1",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling/v2beta2",
    ("batch/v1", "CronJob"): "batch/v1beta1",
    ("discovery.k8s.io/v1", "EndpointSlice"): "discovery.k8s.io/v1beta1",
}
PRE_STOP = "kube-rig.test/pre-stop-seconds"

Note = Callable[[str], None]
Node = dict[str, Any]


class Schema:
    """Definitions of an API version's objects, found by apiVersion and kind."""

    def __init__(self, definitions: Node) -> None:
        self._definitions = definitions
        self.by_kind = {
            (f"{g['group']}/{g['version']}".lstrip("/"), g["kind"]): {"$ref": f"/{name}"}
            for name, definition in definitions.items()
            for g in definition.get("x-kubernetes-group-version-kind", [])
        }

    def resolve(self, node: Node | None) -> Node:
        """The definition that ``node`` refers to."""
        while node and "$ref" in node:
            node = self._definitions[node["$ref"].rpartition("/")[2]]
        return node or {}


def server_schema() -> Schema:
    """The running server's own, kept beside its kubeconfig."""
    kept = Path(os.environ["KUBECONFIG"]).with_name("openapi.json")
    if not kept.exists():
        command = ["kubectl", "get", "--raw", "/openapi/v2"]
        kept.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Schema(json.loads(kept.read_text())["definitions"])


def todays_schema() -> Schema:
    """That of ``TODAY``."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{TODAY}.0-local"
    return Schema(json.loads((folder / "_definitions.json").read_text())["$defs"])


def templates(node: Any) -> Iterator[Node]:
    """What has a pod's spec, in an object: the object itself or a template in it."""
    if isinstance(node, dict):
        spec = node.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
            yield node
        else:
            for child in node.values():
                yield from templates(child)
    elif isinstance(node, list):
        for child in node:
            yield from templates(child)


def lower_pod(template: Node, note: Note) -> None:
    """Does what a pod asks of its kubelet in 1.20's way."""
    pod = template["spec"]
    for container in [*(pod.get("initContainers") or []), *pod["containers"]]:
        for when in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container.get(when)
            if probe and "grpc" in probe:
                probe["tcpSocket"] = {"port": probe.pop("grpc")["port"]}
                note(f"{container['name']}: {when} by gRPC became TCP")
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep")
        if sleep:
            annotations = template["metadata"].setdefault("annotations", {})
            annotations[PRE_STOP] = str(sleep["seconds"])
            del container["lifecycle"]["preStop"]
            note(f"{container['name']}: the sleep before its stop became an annotation")


def prune(
    node: Any, old: Schema, old_at: Any, new: Schema, new_at: Any, path: str, note: Note
) -> None:
    """Takes out what only the newer schema knows."""
    old_at, new_at = old.resolve(old_at), new.resolve(new_at)
    if isinstance(node, dict):
        known, today = old_at.get("properties", {}), new_at.get("properties", {})
        for key in list(node):
            at = f"{path}.{key}" if path else key
            if known and key not in known and key in today:
                del node[key]
                note(f"{at} taken out")
            else:
                below = known.get(key, old_at.get("additionalProperties"))
                today_below = today.get(key, new_at.get("additionalProperties"))
                prune(node[key], old, below, new, today_below, at, note)
    elif isinstance(node, list):
        items, today_items = old_at.get("items"), new_at.get("items")
        for i, child in enumerate(node):
            prune(child, old, items, new, today_items, f"{path}[{i}]", note)


def lower(manifest: Node, old: Schema, new: Schema, note: Note) -> None:
    """Changes an object so that the server takes it."""
    kind = (manifest.get("apiVersion", ""), manifest.get("kind", ""))
    new_at = new.by_kind.get(kind)
    if moved := MOVED.get(kind):
        note(f"{kind[0]} became {moved}")
        manifest["apiVersion"] = moved
        kind = (moved, kind[1])
    if kind in old.by_kind and new_at:
        for template in templates(manifest):
            lower_pod(template, note)
        prune(manifest, old, old.by_kind[kind], new, new_at, "", note)


def main() -> None:
    """From standard input to standard output."""
    old, new = server_schema(), todays_schema()
    lowered, log = [], []
    for manifest in filter(None, yaml.load_all(sys.stdin, yaml.CSafeLoader)):
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        notes: list[str] = []
        lower(manifest, old, new, notes.append)
        log += [f"{name}: {text}\n" for text in notes]
        lowered.append(manifest)
    with Path(os.environ["K120SHIM_LOG"]).open("a") as file:
        file.writelines(log)
    yaml.dump_all(lowered, sys.stdout, yaml.CSafeDumper, sort_keys=False)


if __name__ == "__main__":
    main()
