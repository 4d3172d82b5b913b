"""Whole runs with engines that sleep: do time and memory grow as the number of captions?

    python -m benchmarks.simulation --captions 1000 10000 --to build/simulation

Real services as processes, a real store, the real pipeline by ``synthvlm run``; only the two models
are replaced. Prints what each run took; every run is kept as JSON in the folder.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.simulation.measure import Setting, measure


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--captions", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shard-size", type=int, default=1000)
    parser.add_argument("--sleep", type=float, default=0.0005, help="seconds for an image")
    parser.add_argument("--top-fraction", type=float, default=0.1)
    parser.add_argument("--to", type=Path, default=Path("build/simulation"))
    options = parser.parse_args()
    for captions in options.captions:
        setting = Setting(
            captions, options.repeats, options.shard_size, options.sleep, options.top_fraction
        )
        folder = options.to.resolve() / str(captions)
        measured = measure(folder, setting)
        (folder / "measured.json").write_text(json.dumps(measured.to_json(), indent=2))
        print(json.dumps(measured.to_json(), indent=2), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
