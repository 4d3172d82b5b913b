"""Scenes per minute on one core: sampled, described, drawn, asked about, and read back.

    python -m benchmarks.scenes.throughput [--scenes 2000]

Seconds are CPU seconds of this one thread, so other work on the machine does not count. The exit
status says whether scenes with image and caption are made at the rate --least.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable

from synthvlm.scenes.captions import describe
from synthvlm.scenes.oracle import judge
from synthvlm.scenes.questions import ask_all
from synthvlm.scenes.render import render
from synthvlm.scenes.world import sample_scene


def rate(work: Callable[[int], object], count: int) -> float:
    """Calls of ``work`` per minute."""
    work(0)
    start = time.thread_time()
    for number in range(count):
        work(number)
    return count / (time.thread_time() - start) * 60


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--least", type=float, default=10_000, help="scenes per minute")
    options = parser.parse_args()
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(options.scenes)]
    images = [render(scene) for scene in scenes]
    captions = [describe(scene, rng) for scene in scenes]

    def whole(_: int) -> object:
        scene = sample_scene(rng)
        return render(scene), describe(scene, rng)

    stages: dict[str, Callable[[int], object]] = {
        "sample": lambda _: sample_scene(rng),
        "describe": lambda i: describe(scenes[i], rng),
        "render": lambda i: render(scenes[i]),
        "questions": lambda i: ask_all(scenes[i], rng),
        "oracle": lambda i: judge(images[i], captions[i]),
        "image and caption": whole,
    }
    print(f"{'stage':<20}{'scenes/min':>12}")
    rates = {}
    for stage, work in stages.items():
        rates[stage] = rate(work, options.scenes)
        print(f"{stage:<20}{rates[stage]:>12,.0f}", flush=True)
    return 0 if rates["image and caption"] >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
