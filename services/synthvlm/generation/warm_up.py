"""The first batch of an engine: triggers lazy loading, and checks batch invariance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import structlog

from synthvlm.generation.engine import Engine, ImageRequest, Sampling
from synthvlm.progress import SILENT

_log = structlog.get_logger(__name__)


def warm_up(engine: Engine, sampling: Sampling) -> int:
    """Generates a full batch and one of its images alone, in few steps that reach every component.

    Args:
        engine: A fresh engine.
        sampling: The profile's sampling parameters.

    Returns:
        Largest difference between a pixel of the image alone and in the batch, 0 to 255. Anything
        but 0 is logged as a warning: images depend on their batch on this machine.
    """
    refines = sampling.high_noise_fraction < 1
    short = replace(sampling, steps=2, high_noise_fraction=0.5 if refines else 1.0)
    requests = [ImageRequest(f"warm-up {seed}", seed, short) for seed in range(engine.batch_size)]
    difference = _difference(engine, requests)
    if difference:
        _log.warning(
            "images depend on their batch here; set pipeline.batch_multiple to batch_size",
            largest_pixel_difference=difference,
            numerics=dict(engine.numerics),
        )
    return difference


def _difference(engine: Engine, requests: Sequence[ImageRequest]) -> int:
    together = engine.batch(requests, SILENT)[-1].pixels
    alone = engine.batch(requests[-1:], SILENT)[0].pixels
    return int(np.abs(together.astype(np.int16) - alone).max())
