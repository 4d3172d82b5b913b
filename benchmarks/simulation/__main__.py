"""Whole runs with engines that sleep: do time and memory grow as the number of captions?

    python -m benchmarks.simulation --captions 1000 10000 100000 --to build/simulation

Real services as processes, a real store, the real pipeline by ``synthvlm run``; only the two models
are replaced. Each run gets a home of its own below the folder, and is kept as JSON in it. Prints
what each took, how that grows, and where it leads with a million captions. The exit status is 1 if
time, memory or store operations grow faster than linearly.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.simulation.growth import QUANTITIES, growth, table
from benchmarks.simulation.measure import Setting, measure

TOO_FAST = 1.15
"""Exponent above which something does not grow linearly, noise of a busy machine allowed."""

MILLION = 1_000_000


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--captions", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=5, help="images for a caption")
    parser.add_argument("--shard-size", type=int, default=1000, help="captions in a shard")
    parser.add_argument("--sleep", type=float, default=0.0005, help="seconds for an image")
    parser.add_argument("--top-fraction", type=float, default=0.1, help="of the captions, selected")
    parser.add_argument("--to", type=Path, default=Path("build/simulation"), help="folder")
    options = parser.parse_args()
    runs = []
    for captions in sorted(options.captions):
        setting = Setting(
            captions, options.repeats, options.shard_size, options.sleep, options.top_fraction
        )
        folder = options.to.resolve() / str(captions)
        runs.append(measure(folder, setting))
        (folder / "measured.json").write_text(json.dumps(runs[-1].to_json(), indent=1))
        print(f"{captions:,} captions: {runs[-1].seconds:,.0f} s", flush=True)
    if len(runs) == 1:
        return 0
    print(f"\n{table(runs, MILLION)}")
    found = [growth(quantity, runs) for quantity in QUANTITIES]
    fast = [one for one in found if one.exponent is not None and one.exponent > TOO_FAST]
    for one in fast:
        print(f"{one.quantity.name} grows faster than linearly: exponent {one.exponent:.2f}")
    return 1 if fast else 0


if __name__ == "__main__":
    sys.exit(main())
