"""Splits the requests that Triton hands over into batches for the pipelines."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.storage.batch_places import Places

T = TypeVar("T")


def split(
    jobs: Sequence[tuple[ImageRequest, T]], places: Places
) -> Iterator[list[tuple[ImageRequest, T]]]:
    """Groups of equal sampling parameters, in the order of their first member.

    Triton batches only by the number of requests: it mixes parameters, and under load hands over
    more than its preferred size if its maximum is larger.

    Args:
        jobs: Requests, each with a value that belongs to it.
        places: Places of a batch; a group fits into one.
    """
    by_sampling: dict[Sampling, list[tuple[ImageRequest, T]]] = {}
    for job in jobs:
        by_sampling.setdefault(job[0].sampling, []).append(job)
    for members in by_sampling.values():
        drawn = [places.drawn(request.prompt, request.seed) for request, _ in members]
        for batch in places.batches(drawn):
            yield [members[number] for number in batch.values()]
