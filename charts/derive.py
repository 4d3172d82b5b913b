"""Derives the schema of the chart's values and the table of its README.

``values.schema.json`` comes from three sources: ``values.yaml`` (what there is, and the comments),
the settings models of the services (their ``config``), and ``constraints.yaml`` (what a default
does not say). Every object is closed. ``files/removed.yaml`` says what to write instead of keys
that are no more: settings that have another name now, and ``$removed`` of ``constraints.yaml``.

    python -m charts.derive
"""

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from synthvlm.serving.settings import ServiceSettings

FOLDER = Path(__file__).parent
CHART = FOLDER / "synthvlm"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
REMOVED = CHART / "files" / "removed.yaml"

DECIDED = {
    "profile", "listen", "address_file", "metrics_listen", "health_listen", "tls_certificate_file",
    "tls_key_file", "tls_client_ca_file", "token_file", "auth", "otlp_endpoint", "database",
    "database_password_file",
}  # fmt: skip
"""Settings that the chart decides from its other values: no ``config`` may hold them."""

SERVERS = {"triton": "generation", "judge": None, "engines": None, "training": None}
"""Workloads besides the services, and the service whose settings they take."""

_MARKERS = ("<!-- values: made by charts/derive.py -->\n", "<!-- end of values -->")
_KEY = re.compile(r"(?P<indent> *)(?P<key>[\w./-]+):( .*)?")

Schema = dict[str, Any]
Keys = tuple[str, ...]
"""The path of a value."""


@dataclass(frozen=True)
class Value:
    """A documented key of ``values.yaml``."""

    path: Keys
    default: Any
    comment: str
    children: bool

    @property
    def name(self) -> str:
        """The path as people write it."""
        return ".".join(self.path)


def values() -> dict[str, Any]:
    """The content of ``values.yaml``."""
    content: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return content


def comments() -> dict[Keys, str]:
    """The comment above each key of ``values.yaml`` that has one."""
    found: dict[Keys, str] = {}
    path: list[tuple[int, str]] = []
    waiting: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("# "):
            waiting.append(line.strip().removeprefix("# "))
            continue
        if match := _KEY.fullmatch(line):
            indent = len(match["indent"])
            path = [step for step in path if step[0] < indent]
            path.append((indent, match["key"]))
            if waiting:
                found[tuple(key for _, key in path)] = " ".join(waiting)
        waiting = []
    return found


def documented() -> Iterator[Value]:
    """All documented keys, in the order of the file.

    Raises:
        ValueError: A key has no comment, though one beside it has.
    """
    yield from _documented((), values(), comments())


def _documented(path: Keys, tree: dict[str, Any], said: dict[Keys, str]) -> Iterator[Value]:
    for key, default in tree.items():
        here = (*path, key)
        if here not in said:
            raise ValueError(f"values.yaml: {'.'.join(here)} has no comment")
        children = isinstance(default, dict) and any((*here, child) in said for child in default)
        yield Value(here, default, said[here], children)
        if children:
            yield from _documented(here, default, said)


def schema() -> Schema:
    """The schema of the values."""
    constraints = yaml.safe_load((FOLDER / "constraints.yaml").read_text(encoding="utf-8"))
    definitions: Schema = constraints.pop("$defs")
    constraints.pop("$removed", None)
    used: set[str] = set()
    tree = _tree(constraints, used)
    if unused := constraints.keys() - used:
        raise ValueError(f"constraints.yaml: no value is called {', '.join(sorted(unused))}")
    definitions["workload"] = tree["properties"].pop("defaults")
    definitions["pool"] = next(iter(tree["properties"]["pools"]["properties"].values()))
    definitions |= _settings_definitions()
    del definitions["workload"]["additionalProperties"]
    properties = tree["properties"]
    properties["defaults"] = _workload({}, "service")
    for word, own in properties["services"]["properties"].items():
        properties["services"]["properties"][word] = _workload(own, word)
    for name, word in SERVERS.items():
        properties[name] = _workload(properties[name], word)
    properties["pools"] = {
        "type": "object",
        "description": properties["pools"]["description"],
        "additionalProperties": {"$ref": "#/$defs/pool"},
    }
    # Helm gives `global` to every subchart, and parents switch one on and off by `enabled`.
    properties["global"] = {"type": "object"}
    properties["enabled"] = {"type": "boolean"}
    result = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **tree,
        "$defs": definitions,
    }
    for key, instead in removed().items():
        _admit(result, key, instead)
    return result


def removed() -> dict[str, str]:
    """What to write instead of keys that are no more, by their paths."""
    constraints = yaml.safe_load((FOLDER / "constraints.yaml").read_text(encoding="utf-8"))
    found: dict[str, str] = dict(constraints.get("$removed", {}))
    places = {f"services.{word}": word for word in values()["services"]}
    places |= {name: word for name, word in SERVERS.items() if word is not None}
    for place, word in places.items():
        model = settings_of(word)
        for old, new in model.renamed.items():
            # A section may have the name of an old setting: the schema sees the difference.
            if old not in model.model_fields:
                found[f"{place}.config.{old}"] = f"give {place}.config.{new}"
    return found


def _tree(constraints: Schema, used: set[str]) -> Schema:
    """The schema of the documented keys, nested as they are."""
    root: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    nodes: dict[Keys, Schema] = {(): root}
    for value in documented():
        if "config" in value.path:
            continue  # the settings models say it
        node: Schema = {"description": value.comment}
        constraint = _constraint(value.path, constraints, used)
        if value.children:
            node |= {"type": "object", "properties": {}, "additionalProperties": False}
        elif constraint is not None:
            node |= constraint
        elif isinstance(value.default, dict | list):
            raise ValueError(f"constraints.yaml: say what {value.name} may hold")
        else:
            node["type"] = _type(value.default)
        nodes[value.path] = node
        if value.path[:-1] in nodes:
            nodes[value.path[:-1]]["properties"][value.path[-1]] = node
    return root


def _constraint(path: Keys, constraints: Schema, used: set[str]) -> Schema | None:
    name = path
    if path[0] == "services" and len(path) > 2:
        name = ("services", *path[2:])
    elif path[0] == "pools" and len(path) > 2:
        name = ("pools", *path[2:])
    for candidate in (".".join(name), ".".join(("defaults", *name[1:]))):
        if candidate in constraints:
            used.add(candidate)
            found: Schema = constraints[candidate]
            return found
    return None


def _workload(own: Schema, word: str | None) -> Schema:
    """A workload: the keys of `defaults`, its own, and the settings of the service ``word``."""
    shared = values()["defaults"]
    properties = {key: node for key, node in own.get("properties", {}).items() if key not in shared}
    if word is not None:
        properties["config"] = {"$ref": f"#/$defs/{word}-settings"}
    return {
        "type": "object",
        **{key: text for key, text in own.items() if key == "description"},
        "allOf": [{"$ref": "#/$defs/workload"}],
        "properties": properties,
        "unevaluatedProperties": False,
    }


def _settings_definitions() -> Schema:
    models: dict[str, type[ServiceSettings]] = {"service": ServiceSettings}
    models |= {word: settings_of(word) for word in values()["services"]}
    found: Schema = {}
    for word, model in models.items():
        made = model.model_json_schema(ref_template=f"#/$defs/{word}-{{model}}")
        for name, nested in made.pop("$defs", {}).items():
            found[f"{word}-{name}"] = _bare(nested)
        made["properties"] = {
            name: field for name, field in made["properties"].items() if name not in DECIDED
        }
        found[f"{word}-settings"] = _bare(made)
    return found


def settings_of(word: str) -> type[ServiceSettings]:
    """The settings model of a service; the shared one while the service does not exist."""
    if not (FOLDER.parent / "services" / "synthvlm" / word / "config.py").is_file():
        return ServiceSettings
    module = importlib.import_module(f"synthvlm.{word}.config")
    model: type[ServiceSettings] = getattr(module, f"{word.capitalize()}Settings")
    return model


def _bare(node: Any, names: bool = False) -> Any:
    """A pydantic schema without titles, defaults and what is required: profiles give the rest."""
    if isinstance(node, list):
        return [_bare(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _bare(value, names=key in ("properties", "$defs") and not names)
        for key, value in node.items()
        if names or key not in ("title", "default", "required")
    }
    if not names and "properties" in kept:
        kept["additionalProperties"] = False
    if not names and isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    return kept


def _admit(root: Schema, key: str, instead: str) -> None:
    """Lets a removed key through, so that the template can say what to write instead."""
    *parents, last = key.split(".")
    node = root
    for step in parents:
        node = node["properties"][step]
        if "$ref" in node:
            node = root["$defs"][node["$ref"].rpartition("/")[2]]
    node["properties"].setdefault(last, {"description": f"Not a value any more: {instead}"})


def _type(default: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names[type(default)]


def table() -> str:
    """The values as a Markdown table."""
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for value in documented():
        default = "" if value.children else f"`{json.dumps(value.default)}`"
        if len(default) > 90:
            default = "see values.yaml"
        text = value.comment.replace("|", "\\|")
        rows.append(f"| `{value.name}` | {default} | {text} |")
    return "\n".join(rows) + "\n"


def readme() -> str:
    """The README with the table of now."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(_MARKERS[0])
    return f"{before}{_MARKERS[0]}\n{table()}\n{_MARKERS[1]}{rest.partition(_MARKERS[1])[2]}"


def schema_text() -> str:
    """The content of ``values.schema.json``."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def removed_text() -> str:
    """The content of ``files/removed.yaml``."""
    entries = [{"key": key, "instead": instead} for key, instead in removed().items()]
    return f"# Made by charts/derive.py.\n{yaml.safe_dump(entries, sort_keys=False, width=200)}"


def derived() -> dict[Path, str]:
    """The content of each file that is derived."""
    return {SCHEMA: schema_text(), REMOVED: removed_text(), README: readme()}


def main() -> None:
    """Writes them."""
    for path, text in derived().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
