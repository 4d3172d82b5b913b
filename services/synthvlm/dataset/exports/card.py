"""The dataset card of an export: ``README.md``, as Hugging Face's hub expects it.

Everything in it follows from the version and from how the export was asked for, so the same export
has the same card.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from synthvlm.dataset.exports.reserved import ExportFormat
from synthvlm.storage import Manifest
from synthvlm.storage.schemas import REJECTED_FILE

CARD_FILE: Final = "README.md"
UNKNOWN_LICENCE: Final = "unknown"

_PAPER: Final = "arxiv:2407.20756"
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_LOADING: Final = {
    ExportFormat.PARQUET: 'datasets.load_dataset("DIR")["train"]',
    ExportFormat.WEBDATASET: 'datasets.load_dataset("webdataset", data_dir="DIR")["train"]',
    ExportFormat.LLAVA: 'json.load(open("DIR/dataset.json"))  # images are below DIR/images',
}
_STAGES: Final = {"caption": "captions", "generation": "images", "alignment": "scores"}


def dataset_card(manifest: Manifest, form: ExportFormat, licence: str) -> bytes:
    """The card of an export of a version.

    Args:
        manifest: The version's.
        form: Form of the export.
        licence: Identifier of the licence as the hub knows it, such as ``cc-by-4.0``.
    """
    name = manifest.configuration["name"]
    sections = [
        _front(manifest, form, licence),
        f"# {name}",
        f"{manifest.records:,} pairs of a caption and a synthetic image that was made from it, "
        "chosen by how well both match.",
        "## Human verification",
        _verification(manifest.details.get("review")),
        "## How it was made",
        _history(manifest),
        "## Loading",
        f"```python\n{_LOADING[form]}\n```",
    ]
    return ("\n\n".join(sections) + "\n").encode()


def _front(manifest: Manifest, form: ExportFormat, licence: str) -> str:
    """The metadata at the head of the card, between lines of dashes."""
    size = next((word for most, word in _SIZES if manifest.records < most), "n>10M")
    front: dict[str, Any] = {
        "license": licence,
        "pretty_name": manifest.configuration["name"],
        "size_categories": [size],
        "task_categories": ["image-to-text", "text-to-image"],
        "tags": ["synthetic", "synthvlm", _PAPER],
    }
    if form is ExportFormat.PARQUET:
        files = [{"split": "train", "path": "data/train-*"}]
        front["configs"] = [{"config_name": "default", "data_files": files}]
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def _verification(review: Mapping[str, Any] | None) -> str:
    """What people said of the pairs, in words."""
    if review is None:
        return "No person has verified these pairs."
    figures = review["statistics"]
    rate = figures["truth_rate"]
    whole = "the selection" if review["of_selection"] else "the set that was sampled"
    if rate is None:
        found = "Their verdicts are too few for a truth rate."
    else:
        found = (
            f"**{_percent(rate['value'])} of the pairs of {whole} are true** (95% confidence "
            f"interval: {_percent(rate['low'])} to {_percent(rate['high'])}), before "
            f"the rejected ones were left out. The interval counts the sample and the annotators' "
            f"own errors."
        )
    agreement = ""
    if figures["alpha"] is not None:
        agreement = f" Krippendorff's alpha of their verdicts is {figures['alpha']:.2f}."
    return (
        f"{found}\n\nPeople judged {review['reviewed']:,} pairs of the selection. The "
        f"{review['rejected']:,} that they rejected are not in this dataset; `{REJECTED_FILE}` of "
        f"the version names them and the reasons.{agreement}"
    )


def _history(manifest: Manifest) -> str:
    """What the version was made from, and how, as a list and the configurations in full."""
    lines = [f"- Digest of this version: `{manifest.digest}`"]
    for role, digest in sorted(manifest.inputs.items()):
        lines.append(f"- Digest of its {role.replace('_', ' ')}: `{digest}`")
    stages: Mapping[str, Mapping[str, Any]] = manifest.details["stages"]
    for word, label in _STAGES.items():
        lines += [
            f"- Model of the {label}: `{one['model_digest']}`"
            for one in stages.get(word, {}).values()
            if one["model_digest"]
        ]
    configuration = {
        "run": manifest.configuration,
        "selection": manifest.details["selection_rule"],
        "stages": {
            word: [one["configuration"] for one in known.values()] for word, known in stages.items()
        },
    }
    text = json.dumps(configuration, ensure_ascii=False, indent=2, sort_keys=True)
    # A fence that the text cannot close, whatever captions' rules or prompts are in it.
    fence = "`" * max(3, 1 + max((len(run) for run in _backticks(text)), default=0))
    return "\n".join(lines) + f"\n\nAll settings:\n\n{fence}json\n{text}\n{fence}"


def _backticks(text: str) -> list[str]:
    return "".join(one if one == "`" else " " for one in text).split()


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
