"""Takes the schemas of custom resources from their projects' CRDs, for this folder.

    python -m tests.charts.crds.take v1alpha1 CRD.yaml…

What a validator of JSON Schema does not know is left out, and so are descriptions.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
_LEFT_OUT = {"default", "description", "format", "title"}
_KEPT = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}


def take(version: str, crd: dict[str, Any]) -> Path:
    """Writes the schema that a CRD has for ``version``; the file."""
    spec = crd["spec"]
    (schema,) = (one["schema"] for one in spec["versions"] if one["name"] == version)
    path = FOLDER / f"{spec['group']}_{version}_{spec['names']['kind']}.json"
    text = json.dumps(bare(schema["openAPIV3Schema"]), separators=(",", ":"), sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def bare(node: Any, names: bool = False) -> Any:
    """The schema without what is left out; ``names``: its keys are those of properties."""
    if isinstance(node, list):
        return [bare(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {
        key: bare(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or key in _KEPT or not (key in _LEFT_OUT or key.startswith("x-kubernetes-"))
    }


if __name__ == "__main__":
    for file in sys.argv[2:]:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        sys.stdout.write(f"{take(sys.argv[1], content)}\n")
