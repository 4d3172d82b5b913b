"""The values: documented, closed, current, and each of them read."""

import functools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from charts import derive
from tests.charts.rendering import EVERYTHING, PROFILES, manifests, values_of

SCHEMA = json.loads(derive.SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

DIGEST = f"sha256:{'1' * 64}"
WITH_DOWNLOAD = {"weights": {"source": "download", "download": {"image": "a", "command": ["b"]}}}
WITH_SOURCES = {"sources": [{"from": f"hf:team/model@{'a' * 40}", "to": "model"}]}
WITH_INGRESS = {"exposure": {"kind": "ingress", "domain": "x", "tlsSecret": "y"}}
WITH_FILES = {"store": {"claim": {"enabled": True}, "uri": "file:///data/store"}}

OTHERS: dict[str, Any] = {
    "images.pullPolicy": "Always",
    "defaults.enabled": False,
    "defaults.image.digest": DIGEST,
    "pipelines.image.digest": DIGEST,
    "defaults.pool": "gpu",
    "defaults.resources": {"limits": {"memory": "9Gi"}},
    "defaults.sharedMemory": "9Mi",
    "defaults.autoscaling.kind": "hpa",
    "services.test": {"method": "Other", "request": {}},
    "pipelines.nodes": {"scoring": {"pool": "gpu"}},
    "training.kind": "PyTorchJob",
    "training.runtime": "single",
    "training.evaluation.runtime": "",
    "training.evaluation.image.digest": DIGEST,
    "training.runtimes": {"other": {"nodes": 1, "gpus": 1}},
    "weights.mountPath": "/other",
    "weights.download.command": ["other"],
    "weights.download.sources": [{"from": f"hf:team/other@{'a' * 40}", "to": "other"}],
    "store.uri": "s3://other/prefix",
    "store.claim.accessMode": "ReadWriteMany",
    "catalogue.database": "postgresql://other@host/name",
    "tls.issuer.kind": "ClusterIssuer",
    "auth.kubernetes.grants": [{"users": ["other"], "scopes": ["*:use"]}],
    "auth.oidc.issuer": "https://other.example.com",
    "auth.oidc.algorithms": ["ES256"],
    "auth.oidc.grants": [{"users": ["other"], "scopes": ["*:use"]}],
    "exposure.kind": "none",
    "kueue.quota": {"cpu": 1},
    "weights.source": "none",
}
"""Other values of what takes no arbitrary one."""

READ_WITH: dict[str, dict[str, Any]] = {
    "defaults.autoscaling.cpuPercent": {"defaults": {"autoscaling": {"kind": "hpa"}}},
    "defaults.autoscaling.queueSeconds": {"defaults": {"autoscaling": {"kind": "keda"}}},
    "defaults.autoscaling.query": {"defaults": {"autoscaling": {"kind": "keda"}}},
    "weights.image": {"weights": {"source": "image", "image": "a:1"}},
    "weights.download.image": WITH_DOWNLOAD,
    "weights.download.sources": {"weights": {"source": "download", "download": WITH_SOURCES}},
    "weights.download.command": WITH_DOWNLOAD,
    "weights.download.size": WITH_DOWNLOAD,
    "store.claim.name": WITH_FILES,
    "store.claim.size": WITH_FILES,
    "store.claim.storageClassName": WITH_FILES,
    "store.claim.accessMode": WITH_FILES,
    "pipelines.podDefault": {
        "auth": {"tokenSecret": ""},
        "services": {"review": {"webPort": 0}},
    },
    "exposure.className": WITH_INGRESS,
    "exposure.annotations": WITH_INGRESS,
    "exposure.tlsSecret": WITH_INGRESS,
}
"""What a value is read beside, where that is not everything at once."""


def test_what_is_derived_is_current() -> None:
    for path, text in derive.derived().items():
        assert path.read_text(encoding="utf-8") == text, "run `make chart`"


def objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas of objects in a schema."""
    if isinstance(node, list):
        for entry in node:
            yield from objects(entry, path)
    elif isinstance(node, dict):
        if "properties" in node and isinstance(node["properties"], dict):
            yield path, node
        for key, entry in node.items():
            yield from objects(entry, f"{path}/{key}")


def test_the_schema_is_closed_at_every_level() -> None:
    closed = ("additionalProperties", "unevaluatedProperties")
    found = dict(objects(SCHEMA))
    # Its users add what they have of their own, and are closed themselves.
    del found["/$defs/workload"]
    assert len(found) > 40
    opened = [path for path, node in found.items() if all(node.get(c) is not False for c in closed)]
    assert opened == []


FREE = {"env", "annotations", "podAnnotations", "quota", "nodeLabels", "labels", "nodeSelector",
        "requests", "limits", "options", "runtimes", "test"}  # fmt: skip
"""Maps whose keys are the user's."""


def levels() -> Iterator[tuple[str, ...]]:
    """Where the values have a mapping of their own, not one of the user's."""
    yield ()
    for value in derive.documented():
        if isinstance(value.default, dict) and value.path[-1] not in FREE | {"pools"}:
            yield value.path


def test_a_misspelt_key_is_refused_at_every_level() -> None:
    values = derive.values()
    assert not list(VALIDATOR.iter_errors(values))
    tried = 0
    for path in levels():
        changed = json.loads(json.dumps(values))
        node = changed
        for step in path:
            node = node[step]
        node["misspelt"] = 1
        assert not VALIDATOR.is_valid(changed), path
        tried += 1
    assert tried > 30


def test_what_helm_and_parent_charts_add_is_accepted() -> None:
    added = {"global": {"anything": 1}, "enabled": True}
    assert not list(VALIDATOR.iter_errors(derive.values() | added))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_says_only_what_differs(profile: str) -> None:
    def same(own: Any, defaults: Any, path: str = "") -> Iterator[str]:
        for key, value in own.items():
            if isinstance(value, dict) and isinstance(defaults.get(key), dict):
                yield from same(value, defaults[key], f"{path}{key}.")
            elif key in defaults and defaults[key] == value:
                yield f"{path}{key}"

    # Said again, because they are what a reader of the file looks for.
    said = {"profile", "store.uri", "catalogue.database"}
    assert set(same(values_of(profile), derive.values())) <= said


def merged(lower: Any, upper: Any) -> Any:
    if not (isinstance(lower, dict) and isinstance(upper, dict)):
        return upper
    return {**lower, **{key: merged(lower.get(key), value) for key, value in upper.items()}}


def read_values() -> list[derive.Value]:
    """One of each: what holds of all services, or all pools, is tried once."""
    shared = derive.values()["defaults"]
    tried: dict[str, derive.Value] = {}
    for value in derive.documented():
        path = value.path
        if value.children or "config" in path:
            continue
        workload = path[0] in derive.SERVERS or path[0] == "services"
        key = path[2] if path[0] == "services" and len(path) > 2 else path[min(1, len(path) - 1)]
        if workload and key in shared:
            continue
        tried.setdefault(value.name, value)
    return list(tried.values())


def other(value: derive.Value) -> Any:
    name = value.name
    if value.path[0] == "services":
        name = f"services.{value.path[-1]}"
    if name in OTHERS:
        return OTHERS[name]
    default = value.default
    if isinstance(default, bool):
        base = EVERYTHING
        for step in value.path:
            base = base.get(step, {}) if isinstance(base, dict) else {}
        return not (base if isinstance(base, bool) else default)
    if isinstance(default, int):
        return default + 1
    if isinstance(default, str):
        return {"size": "7Gi", "scratch": "7Gi", "duration": "9h", "renewBefore": "9h",
                "interval": "9s", "resource": "example.com/other", "envoyTimeout": "9s",
                }.get(value.path[-1], "other")  # fmt: skip
    if isinstance(default, dict):
        return {"other": "1"}
    return {"ports": [1], "products": ["other"], "resourceClaims": [{"name": "other"}],
            "tolerations": [{"key": "other"}], "clients": [{"podSelector": {}}],
            "monitoring": [{"podSelector": {}}], "to": [{"podSelector": {}}],
            "parentRefs": [{"name": "other"}]}.get(value.path[-1], ["other"])  # fmt: skip


def test_every_value_is_read() -> None:
    """A value that changes nothing, in whatever configuration, is one that nobody reads."""

    def changes(value: derive.Value) -> bool:
        base = merged(EVERYTHING, READ_WITH.get(value.name, {}))
        changed: Any = other(value)
        for step in reversed(value.path):
            changed = {step: changed}
        return rendered(json.dumps(base)) != manifests(merged(base, changed))

    @functools.cache
    def rendered(base: str) -> str:
        return manifests(json.loads(base))

    values = read_values()
    assert len(values) > 100
    with ThreadPoolExecutor(4) as pool:
        read = dict(zip((value.name for value in values), pool.map(changes, values), strict=True))
    assert [name for name, changed in read.items() if not changed] == []
