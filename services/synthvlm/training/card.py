"""The model card: what a trained model was made from, and how its training went."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers
import yaml

import synthvlm
from synthvlm.storage import ShardKey
from synthvlm.training.curve import Point
from synthvlm.training.request import TrainingRequest
from synthvlm.training.settings import TrainingSettings

_ROWS = 12

_USE = """\
```python
from transformers import AutoModelForImageTextToText, AutoProcessor

processor = AutoProcessor.from_pretrained(FOLDER)
model = AutoModelForImageTextToText.from_pretrained(FOLDER)
```

From the command line: `synthvlm ask IMAGE "What colour is the circle?" --model FOLDER`.
"""


def model_card(
    request: TrainingRequest,
    settings: TrainingSettings,
    key: ShardKey,
    details: Mapping[str, Any],
    curve: Sequence[Point],
) -> str:
    """The card in Markdown, with the front matter of the Hugging Face hub.

    Args:
        request: What was asked for.
        settings: With what settings.
        key: The model's key.
        details: Of its manifest.
        curve: Its loss curve.
    """
    front = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["llava", "synthvlm", "synthetic-data"],
    }
    lineage = [
        ("dataset version", f"`{request.dataset.digest}`"),
        ("mixture of stage 2", f"`{key.inputs['mixture']}` ({settings.mixture})"),
        ("base models", f"`{key.model_digest}`"),
        ("vision tower", f"`{settings.vision_tower}`, frozen"),
        ("language model", f"`{settings.language_model}`"),
        ("profile", f"`{request.profile}`"),
        ("code", f"synthvlm {synthvlm.__version__}, training {key.code_version}"),
        ("libraries", f"transformers {transformers.__version__}, torch {torch.__version__}"),
    ]
    stages = [
        (
            one["stage"],
            one["steps"],
            one["samples"],
            one["tokens"],
            one["mismatched"],
            f"{one['loss']:.4f}",
        )
        for one in details["stages"]
    ]
    shown = [
        (point.stage, point.step, f"{point.loss:.4f}", f"{point.learning_rate:.2e}")
        for stage in details["stages"]
        for point in _thinned([point for point in curve if point.stage == stage["stage"]])
    ]
    return "\n".join(
        [
            f"---\n{yaml.safe_dump(front, sort_keys=True)}---",
            "# A LLaVA-1.5 model trained on synthetic image-caption pairs",
            "",
            "A CLIP vision tower, a projector of two layers and a language model, trained in "
            "LLaVA-1.5's two stages: the projector on the pairs of the dataset version, then "
            "projector and language model on the mixture.",
            "",
            "## Use",
            "",
            _USE,
            "## Lineage",
            "",
            _table(("what", "which"), lineage),
            "## Training",
            "",
            _table(
                ("stage", "steps", "samples", "tokens", "mask did not fit", "last loss"), stages
            ),
            "```yaml",
            yaml.safe_dump(dict(key.configuration), sort_keys=True).rstrip(),
            "```",
            "",
            "## Loss",
            "",
            "All points are in `curve.parquet`.",
            "",
            _table(("stage", "step", "loss", "learning rate"), shown),
        ]
    )


def _thinned(curve: Sequence[Point]) -> list[Point]:
    """At most some points, the last among them."""
    every = max(1, -(-len(curve) // _ROWS))
    return list(curve[::-1][::every][::-1])


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
