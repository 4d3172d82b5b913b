"""A backend of PyTorch that normalises few rows with other kernels than many, as GEMMs are.

Its difference is large enough to be seen in every image. PyTorch imports the backends that are
installed; so this one also comes into the process in which Triton runs the model.
"""

from pathlib import Path

import torch

ROWS = 4
"""Fewest rows that are computed like those of a full batch."""

_normalise = torch.nn.GroupNorm.forward


def group_norm(layer: torch.nn.GroupNorm, rows: torch.Tensor) -> torch.Tensor:
    """``GroupNorm.forward``; of few rows, to the eight bits of bfloat16."""
    normalised = _normalise(layer, rows)
    return normalised if len(rows) >= ROWS else normalised.bfloat16().to(rows.dtype)


def load() -> None:
    """What PyTorch calls."""
    torch.nn.GroupNorm.forward = group_norm  # type: ignore[method-assign, assignment]


def install(folder: Path) -> str:
    """Installs it, without a copy; the ``PYTHONPATH`` with which it is found."""
    metadata = folder / "uneven_kernels-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: uneven-kernels\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text("[torch.backends]\nuneven = uneven_kernels:load\n")
    return f"{folder}:{Path(__file__).parent}"
