"""SSIM on one thread beside scikit-image's, in turns in one process.

    pip install scikit-image==0.26.0        # the peer, which nothing else needs
    python benchmarks/alignment/compare_scikit_image.py

Both compare the same two decoded images.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from skimage.metrics import structural_similarity

from synthvlm.alignment.compiled import Pixels
from synthvlm.alignment.ssim import ssim


def scikit_image(first: Pixels, second: Pixels) -> float:
    """The peer, with the paper's options."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(first, second, **options, data_range=255, channel_axis=2))


def timed(
    compare: Callable[[Pixels, Pixels], float], images: tuple[Pixels, Pixels]
) -> tuple[float, float]:
    """The value, and the milliseconds of processor time that it took."""
    start = time.process_time()
    value = compare(*images)
    return value, 1000 * (time.process_time() - start)


def main() -> None:
    """Measures each size and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{'pixels':>12}{'synthvlm ms':>13}{'scikit-image ms':>17}{'ratio':>7}{'difference':>12}")
    for side in options.sides:
        first = rng.integers(0, 256, (side, side, 3), np.uint8)
        second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
        images = first, second
        ssim(*images)  # compiles
        rounds = [(timed(ssim, images), timed(scikit_image, images)) for _ in range(options.rounds)]
        ours, theirs = (min(ms for _, ms in made) for made in zip(*rounds, strict=True))
        difference = abs(rounds[0][0][0] - rounds[0][1][0])
        ratio = theirs / ours
        print(f"{side:>5} x {side:<4}{ours:13.1f}{theirs:17.1f}{ratio:7.1f}{difference:12.1e}")


if __name__ == "__main__":
    main()
