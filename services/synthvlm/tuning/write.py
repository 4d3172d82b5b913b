"""The files of a finished search: the chosen profile, the page, and the numbers for programs."""

import json
from dataclasses import dataclass
from pathlib import Path

from synthvlm.tuning.page import render_page
from synthvlm.tuning.result import Result


@dataclass(frozen=True)
class ResultFiles:
    """Where they are."""

    profile: Path
    page: Path
    numbers: Path


def write_result(result: Result, folder: Path) -> ResultFiles:
    """Writes the files into ``folder``, each as a whole or not at all."""
    return ResultFiles(
        profile=_write(folder / "profile.yaml", result.chosen_profile()),
        page=_write(folder / "tune.html", render_page(result)),
        numbers=_write(folder / "tune.json", json.dumps(result.to_json(), indent=2)),
    )


def _write(file: Path, text: str) -> Path:
    unfinished = file.with_name(f".{file.name}.partial")
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(file)
