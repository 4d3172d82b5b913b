"""SSIM on one thread beside scikit-image's, in turns in one process.

    pip install scikit-image==0.26.0        # the peer, which nothing else needs
    python benchmarks/alignment/compare_scikit_image.py

Both compare the pixels of the same two images, held in memory as each of them wants them.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from synthvlm.alignment.ssim import ssim


def best(call: Callable[[], float], seconds: list[float]) -> float:
    """Calls, and keeps the processor time that it took."""
    start = time.process_time()
    value = call()
    seconds.append(time.process_time() - start)
    return value


def main() -> None:
    """Measures each size and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{'pixels':>12}{'synthvlm ms':>13}{'scikit-image ms':>17}{'ratio':>7}{'difference':>12}")
    for side in arguments.sides:
        first = rng.integers(0, 256, (side, side, 3), np.uint8)
        second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
        images = Image.fromarray(first), Image.fromarray(second)
        ours: list[float] = []
        theirs: list[float] = []
        ssim(*images)  # compiles
        for _ in range(arguments.rounds):
            value = best(lambda: ssim(*images), ours)
            other = best(
                lambda: float(
                    structural_similarity(
                        first,
                        second,
                        gaussian_weights=True,
                        sigma=1.5,
                        use_sample_covariance=False,
                        data_range=255,
                        channel_axis=2,
                    )
                ),
                theirs,
            )
        print(
            f"{side:>5} x {side:<4}{min(ours) * 1000:13.1f}{min(theirs) * 1000:17.1f}"
            f"{min(theirs) / min(ours):7.1f}{abs(value - other):12.1e}"
        )


if __name__ == "__main__":
    main()
