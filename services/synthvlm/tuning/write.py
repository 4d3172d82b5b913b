"""The files of a finished search: the chosen profile, the page, and the numbers for programs."""

import json
from dataclasses import dataclass
from pathlib import Path

from synthvlm.atomic_files import write_atomically
from synthvlm.tuning.page import render_page
from synthvlm.tuning.result import Result


@dataclass(frozen=True)
class ResultFiles:
    """The paths of the files."""

    profile: Path
    page: Path
    numbers: Path


def write_result(result: Result, folder: Path) -> ResultFiles:
    """Writes the files into ``folder``, each as a whole or not at all."""
    return ResultFiles(
        profile=write_atomically(folder / "profile.yaml", result.chosen_profile()),
        page=write_atomically(folder / "tune.html", render_page(result)),
        numbers=write_atomically(folder / "tune.json", json.dumps(result.to_json(), indent=2)),
    )
