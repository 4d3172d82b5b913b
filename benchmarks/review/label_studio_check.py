"""Checks exported tasks with Label Studio's own SDK, in an environment of its own.

    python -m benchmarks.review.label_studio_check write FOLDER
    python -m venv ls && ls/bin/pip install label-studio-sdk==2.1.2
    ls/bin/python benchmarks/review/label_studio_check.py check FOLDER

The SDK needs an older numpy than the services, so the first command writes tasks with all that
they can hold and the third checks them there: the labelling configuration, every annotation, every
prediction, and that an answer that is not among the choices is refused. ``validate_task`` of
version 2.1.2 fails on any task with annotations, valid or not, and is not used.
"""

import json
import sys
from pathlib import Path
from typing import Any


def write(folder: Path) -> None:
    """Writes tasks and labelling configurations of both kinds of campaign."""
    from synthvlm.review.exchange.entries import RecordedVerdict
    from synthvlm.review.exchange.label_studio import Shown, as_tasks, labelling_config

    for compared in (False, True):
        field = {"preference": "source"} if compared else {"alignment": "partly"}
        fields: dict[str, Any] = {"image_id": "i", "caption": "a cat", "quality": 4, **field}
        entries = [
            RecordedVerdict(
                **fields,
                annotator="ann",
                reasons=("colour", "count"),
                comment="why",
                duration_ms=1500,
                record_time=1_790_000_000,
                expected=None if compared else "no",
            ),
            RecordedVerdict(**fields, annotator="llava", is_model=True),
        ]
        shown = Shown("https://images.example/i", "https://images.example/j" if compared else None)
        name = "compared" if compared else "alone"
        (folder / f"{name}.json").write_bytes(as_tasks(entries, {"i": shown}.__getitem__)[0])
        (folder / f"{name}.xml").write_text(labelling_config(compared=compared), encoding="utf-8")


def check(folder: Path) -> int:
    """Checks what ``write`` wrote; returns the number of objects that are not valid."""
    from label_studio_sdk.label_interface import LabelInterface

    wrong = 0
    for config in sorted(folder.glob("*.xml")):
        interface = LabelInterface(config.read_text(encoding="utf-8"))
        interface.validate()
        checked = 0
        for task in json.loads(config.with_suffix(".json").read_bytes()):
            for annotation in task["annotations"]:
                wrong += not interface.validate_annotation(annotation)
                annotation["result"][0]["value"] = {"choices": ["maybe"]}
                wrong += bool(interface.validate_annotation(annotation))
                checked += 1
            for prediction in task["predictions"]:
                wrong += bool(interface.validate_prediction(prediction, return_errors=True))
                checked += 1
        print(f"{config.name}: {checked} annotations and predictions checked")
    print(f"{wrong} wrong")
    return wrong


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    where.mkdir(parents=True, exist_ok=True)
    if what == "check":
        sys.exit(check(where))
    write(where)
