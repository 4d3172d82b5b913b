"""Training data that take long to make, kept in files so that a stopped recipe goes on."""

from collections.abc import Callable
from pathlib import Path

import torch

from synthvlm.atomic_files import atomically_replaced

Tensors = dict[str, torch.Tensor]


def collect_parts(folder: Path, seed: int, count: int, make: Callable[[int], Tensors]) -> Tensors:
    """Joins ``make(seed)``, ``make(seed + 1)``… along the first axis.

    Args:
        folder: Where each part is kept; one that lies there already is not made again.
        seed: Of the first part.
        count: How many parts.
        make: Makes a part from its seed; the same seed must give the same part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number in range(seed, seed + count):
        path = folder / f"{number}.pt"
        if not path.exists():
            part = make(number)
            with atomically_replaced(path) as fresh:
                torch.save(part, fresh)
            print(f"part {number - seed + 1} of {count}", flush=True)
        parts.append(torch.load(path))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
