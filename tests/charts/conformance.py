"""Kubernetes' own schemas, and those of the custom resources."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource

from tests.charts.objects import Object, identity

_CRDS = Path(__file__).parent / "crds"
_seen: dict[tuple[str, str], str] = {}


def problem(entry: Object, kubernetes: str) -> str:
    """What a server of that version would refuse or ignore; empty: nothing.

    An API that neither the version nor ``crds/`` knows is a problem too.
    """
    key = (json.dumps(entry, sort_keys=True), kubernetes)
    if key not in _seen:
        _seen[key] = _problem(entry, kubernetes)
    return _seen[key]


def _problem(entry: Object, kubernetes: str) -> str:
    validator = _custom(entry["apiVersion"], entry["kind"]) or _standard(
        entry["apiVersion"], entry["kind"], kubernetes
    )
    if validator is None:
        return f"{identity(entry)}: no schema knows {entry['apiVersion']} at {kubernetes}"
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(entry)]
    return "; ".join(f"{identity(entry)} {text}" for text in errors)


@functools.cache
def _standard(api: str, kind: str, kubernetes: str) -> Draft202012Validator | None:
    """The strict schema of kubernetes-validate, whose `validate` would read it for each object."""
    version = next(one for one in all_versions() if one.startswith(f"{kubernetes}."))
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    group, _, number = api.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], number)))
    try:
        schema = schema_contents(f"{folder}/{name}.json", kubernetes)
    except FileNotFoundError:
        return None
    return Draft202012Validator(
        schema, registry=Resource.from_contents(schema) @ _definitions(folder, kubernetes)
    )


@functools.cache
def _definitions(folder: str, kubernetes: str) -> Registry[Any]:
    definitions = schema_contents(f"{folder}/_definitions.json", kubernetes)
    found: Registry[Any] = Resource.from_contents(definitions) @ Registry()
    return found


@functools.cache
def _custom(api: str, kind: str) -> Draft202012Validator | None:
    path = _CRDS / f"{api.replace('/', '_')}_{kind}.json"
    if not path.is_file():
        return None
    return Draft202012Validator(_closed(json.loads(path.read_text(encoding="utf-8"))))


def _closed(node: Any) -> Any:
    """A CRD's schema that refuses the keys that an API server would silently drop."""
    if isinstance(node, list):
        return [_closed(entry) for entry in node]
    if not isinstance(node, Mapping):
        return node
    made = {key: _closed(value) for key, value in node.items()}
    named = isinstance(node.get("properties"), Mapping) and node.get("type") == "object"
    if named and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
