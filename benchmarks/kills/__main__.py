"""Random kills of everything in a run, and the same command again: is it the same dataset?

    python -m benchmarks.kills --kills 100 --seed 1

Makes one undisturbed run of captions of the scene world with the bundled models. Then, in other
homes, gives the same command, kills a random process of it with SIGKILL at a random moment and a
second one up to half a second later, and gives it again at once: until --kills-a-home processes
were killed, and then until it ends by itself. Compares
digests and counts with the undisturbed run's, and looks whether images or scores were made again
that had been told as made, and whether any process was left running. Which stage, how far into it,
and who is killed follow from the seed; what the run is doing then depends on the machine.

The exit status is 1 if anything differs. A home with a difference is kept, the others are removed.
"""

import argparse
import random
import shutil
import sys
import time
from itertools import takewhile
from pathlib import Path

from benchmarks.kills.aims import draw_aims
from benchmarks.kills.attempts import Attempt, KilledHome
from benchmarks.kills.table import table
from synthvlm.scenes.captions import sample_captions
from tests.e2e.place import Place, place_in

CHANGES = {
    "generation": {"steps": 2, "width": 32, "height": 32, "batch_size": 4},
    "alignment": {"batch_size": 4},
}
"""Settings that make a run quick, and its stages long enough to be killed in."""


def main() -> int:
    """Kills, compares, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="begin no kill after that time")
    parser.add_argument("--kills-a-home", type=int, default=20)
    parser.add_argument("--captions", type=int, default=40)
    parser.add_argument("--shard-size", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=Path("build/kills"), help="of the homes")
    options = parser.parse_args()
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    captions = [caption.caption for caption in sample_captions(options.seed, options.captions, 0.0)]
    shards = -(-options.captions // options.shard_size)
    deadline = time.monotonic() + options.minutes * 60

    def place(name: str) -> Place:
        return place_in(folder / name, captions, options.shard_size, CHANGES)

    first = KilledHome(place("undisturbed"))
    undisturbed = first.attempt()
    if first.problems:
        print(f"the undisturbed run {first.problems[0]}")
        return 1
    answer, spans = undisturbed.answer(), undisturbed.spans()
    print(
        f"undisturbed: {undisturbed.seconds:.1f} s, {answer['made']}, {answer['digest']}",
        flush=True,
    )

    def tell(attempt: Attempt) -> None:
        done = sum(len(home.kills) for home in homes)
        killed = [f"{k.victim} killed in {k.stage} after {k.done}" for k in attempt.kills]
        what = " and ".join(killed) or "not killed"
        said = f", {attempt.last_line()}" if attempt.status == 1 else ""
        print(f"{done:>4}  home {len(homes)}  {what}: status {attempt.status}{said}", flush=True)

    rng = random.Random(options.seed)
    homes: list[KilledHome] = []
    while (left := options.kills - sum(len(home.kills) for home in homes)) > 0:
        aims = draw_aims(rng, -(-min(options.kills_a_home, left) // 2), shards)
        if time.monotonic() >= deadline:
            print(f"{options.minutes:g} minutes are over: {left} kills were not done")
            break
        homes.append(home := KilledHome(place(f"home-{len(homes) + 1}")))
        in_time = takewhile(lambda _: time.monotonic() < deadline, aims)
        home.compare(home.until_it_ends(in_time, spans, tell), answer)
        for problem in home.problems:
            print(f"      {home.place.home.root}: {problem}", flush=True)
        if not home.problems:
            print(f"      the same digest; {home.told['images']} images told as made", flush=True)
            shutil.rmtree(home.place.home.root.parent)
    print(f"\n{table(homes)}\n")
    different = sum(bool(home.problems) for home in homes)
    print(f"{len(homes) - different} of {len(homes)} homes as if nothing had happened")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
