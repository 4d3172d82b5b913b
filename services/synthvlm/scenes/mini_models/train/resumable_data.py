"""Training data that take long to make, kept in files so that a stopped training resumes."""

from collections.abc import Callable
from pathlib import Path

import torch

from synthvlm.atomic_files import atomically_replaced

Tensors = dict[str, torch.Tensor]


def make_or_load(folder: Path, seed: int, count: int, make: Callable[[int], Tensors]) -> Tensors:
    """Joins ``make(seed)``, ``make(seed + 1)``… along the first axis.

    Args:
        folder: Holds a file for each seed; a file that is already there is not made again.
        seed: The first seed.
        count: How many seeds.
        make: Makes the tensors of one file; the same seed must give the same ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    loaded = []
    for number in range(seed, seed + count):
        path = folder / f"{number}.pt"
        if not path.exists():
            tensors = make(number)
            with atomically_replaced(path) as fresh:
                torch.save(tensors, fresh)
            print(f"file {number - seed + 1} of {count}", flush=True)
        loaded.append(torch.load(path))
    return {name: torch.cat([tensors[name] for tensors in loaded]) for name in loaded[0]}
