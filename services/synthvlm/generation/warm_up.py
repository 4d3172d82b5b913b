"""The first batches of an engine: they load what is loaded lazily, and check its promise.

Copies of one image take all places of a batch at once, so that a place that computes otherwise than
the others is found, whichever it is.
"""

from collections.abc import Iterator
from itertools import count, islice

import numpy as np
import structlog

from synthvlm.generation.engine import Engine, ImageRequest, Sample, Sampling
from synthvlm.generation.identity import places_of
from synthvlm.progress import SILENT
from synthvlm.storage.batch_places import Places

_log = structlog.get_logger(__name__)

_OTHERS = 4
"""Other images beside an image: their number with it is odd, and not the size of a full batch."""

_PAD = (
    "set pipeline.pad_batches to true and pipeline.batch_multiple to batch_size; if they are, no "
    "setting helps, and images cannot be made again bit for bit on this machine"
)


def warm_up(engine: Engine, sampling: Sampling) -> int:
    """Makes one image at all places, alone and beside others, in steps that reach all components.

    Args:
        engine: A fresh engine.
        sampling: The profile's sampling parameters.

    Returns:
        Largest difference between two pixels of what should be one image, 0 to 255. Anything but 0
        is logged as a warning, with what to set.
    """
    short = sampling.shortened()
    places = places_of(engine.numerics, engine.batch_size)
    shared = places.total - places.reserved
    image, other = islice(_requests(short, places, None), 2)
    reserved = [next(_requests(short, places, place)) for place in range(shared, places.total)]

    first, *copies = engine.batch([image] * shared + reserved, SILENT)
    by_place = [_difference(first, copy) for copy in copies[: shared - 1]]
    (alone,) = engine.batch([image], SILENT)
    beside = engine.batch([*([other] * _OTHERS + [image])[-shared:], *reserved], SILENT)
    again = [alone, *beside[len(beside) - len(reserved) - 1 :]]
    by_batch = map(_difference, [first, first, *copies[shared - 1 :]], again)

    difference = max(by_place, default=0)
    if difference:
        odd = places.total - 1 - next(n for n, one in enumerate(by_place) if one)
        _warn(f"set pipeline.reserved_places to {odd}, and batch_multiple to batch_size", engine)
    elif difference := max(by_batch):
        _warn(_PAD, engine)
    return difference


def _requests(sampling: Sampling, places: Places, drawn: int | None) -> Iterator[ImageRequest]:
    """Requests that drew a reserved place, or none."""
    for seed in count():
        prompt = f"warm-up {seed}"
        if places.drawn(prompt, seed) == drawn:
            yield ImageRequest(prompt, seed, sampling)


def _difference(one: Sample, other: Sample) -> int:
    return int(np.abs(one.pixels.astype(np.int16) - other.pixels).max())


def _warn(remedy: str, engine: Engine) -> None:
    _log.warning(
        f"an image depends on its batch here; {remedy}",
        numerics=dict(engine.numerics),
    )
