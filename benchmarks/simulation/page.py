"""The tables of ``docs/million.md``: ``python -m benchmarks.simulation.page [FOLDER]`` writes them.

With a folder of the simulation, its runs become those that the page shows.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from benchmarks.simulation.growth import table
from benchmarks.simulation.measure import Measured
from benchmarks.simulation.million import Design, gpu_table, shape_table, store_table

PAGE = Path(__file__).parents[2] / "docs" / "million.md"
_KEPT = Path(__file__).parent / "measured"
_SIZES = (1_000, 10_000, 16_000, 50_000, 100_000)
_MARKED = re.compile(r"(<!-- computed: (\w+) -->\n).*?(\n<!-- end -->)", re.S)


def measured_runs() -> list[Measured]:
    """The runs that the page shows, by number of captions."""
    runs = [Measured.of(json.loads(file.read_text())) for file in _KEPT.glob("*.json")]
    return sorted(runs, key=lambda run: run.setting.captions)


def with_tables(text: str) -> str:
    """The page with its tables computed anew."""
    design = Design()
    tables = {
        "growth": table(measured_runs(), design.captions),
        "shape": shape_table(_SIZES, design),
        "gpus": gpu_table(design),
        "store": store_table(design),
    }
    return _MARKED.sub(lambda found: found[1] + tables[found[2]] + found[3], text)


def main() -> None:
    """Takes over the runs of a folder, if one is given, and writes the page."""
    for folder in map(Path, sys.argv[1:]):
        for file in folder.glob("*/measured.json"):
            shutil.copyfile(file, _KEPT / f"{file.parent.name}.json")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
