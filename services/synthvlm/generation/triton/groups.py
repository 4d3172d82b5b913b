"""Splits the requests that Triton hands over into batches for the pipelines."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from synthvlm.generation.engine import ImageRequest, Sampling

T = TypeVar("T")


def split(
    jobs: Sequence[tuple[ImageRequest, T]], largest: int
) -> Iterator[list[tuple[ImageRequest, T]]]:
    """Groups of equal sampling parameters, in the order of their first member.

    Triton batches only by the number of requests: it mixes parameters, and under load hands over
    more than its preferred size if its maximum is larger.

    Args:
        jobs: Requests, each with a value that belongs to it.
        largest: Maximum size of a group.
    """
    by_sampling: dict[Sampling, list[tuple[ImageRequest, T]]] = {}
    for job in jobs:
        by_sampling.setdefault(job[0].sampling, []).append(job)
    for members in by_sampling.values():
        for first in range(0, len(members), largest):
            yield members[first : first + largest]
