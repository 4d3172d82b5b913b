"""The profile of ``make mini-vlm``: that of the demo, with a longer training.

    python -m benchmarks.training.mini_vlm --out FILE

Everything but the section ``training`` is the profile ``mini``: the vision tower stays as it is.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import yaml

from synthvlm.profiles import load_profile

LONGER: Final[dict[str, Any]] = {
    "mixture": "mini-vlm",
    "pretrain": {"steps": 150},
    # Of 24 samples, 19 have an image.
    "finetune": {"steps": 3200, "learning_rate": 2e-3, "global_batch": 24, "micro_batch": 12},
}
"""What replaces settings of the section ``training``, for half an hour on two cores at most."""


def profile() -> dict[str, Any]:
    """The sections of the profile."""
    sections = dict(load_profile("mini").sections)
    training = sections["training"]
    replaced = {
        name: {**training[name], **value} if isinstance(value, dict) else value
        for name, value in LONGER.items()
    }
    return {**sections, "training": {**training, **replaced}}


def main() -> None:
    """Writes the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(yaml.safe_dump(profile(), sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
