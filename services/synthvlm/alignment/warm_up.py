"""The first batch: triggers lazy loading and compilation, and checks batch invariance."""

import numpy as np
import structlog
from PIL import Image

from synthvlm.alignment.engine import Engine
from synthvlm.alignment.ssim import KERNEL, MIN_SIDE, Similarity, ssim_score

_SIDE = 64
_log = structlog.get_logger(__name__)


def warm_up(engine: Engine, batch_size: int, similarity: Similarity = KERNEL) -> float:
    """Embeds a full batch, and its last image and text alone.

    Args:
        engine: A fresh engine.
        batch_size: Pairs in a full batch.
        similarity: What computes SSIM.

    Returns:
        Largest difference between an embedding alone and in the batch. Anything but 0 is logged as
        a warning: scores depend on their batch on this machine.
    """
    ssim_score(Image.new("RGB", (MIN_SIDE, MIN_SIDE)), 2 * MIN_SIDE, similarity)
    noise = np.random.default_rng(0).integers(0, 256, (batch_size, _SIDE, _SIDE, 3), np.uint8)
    images = [engine.preprocess(Image.fromarray(pixels)) for pixels in noise]
    texts = [f"warm-up {number}" for number in range(batch_size)]
    difference = max(
        float(np.abs(engine.embed_images(images)[-1] - engine.embed_images(images[-1:])[0]).max()),
        float(np.abs(engine.embed_texts(texts)[-1] - engine.embed_texts(texts[-1:])[0]).max()),
    )
    if difference:
        _log.warning(
            "scores depend on their batch here; set batch_multiple to batch_size",
            largest_difference=difference,
            numerics=dict(engine.numerics),
        )
    return difference
