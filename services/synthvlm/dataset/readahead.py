"""Concurrent reads: object stores have high latency but serve many requests at once."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 8
"""Concurrent reads."""


def read_ahead(
    work: Callable[[T], R], items: Iterable[T], workers: int = WORKERS
) -> closing[Generator[R, None, None]]:
    """The results of ``work`` for each item, in the order of the items.

    At most ``2 * workers`` results are in progress or waiting, so memory is bounded for any number
    of items. Use as ``with read_ahead(…) as results``: leaving the block, even by an error, cancels
    work that has not started.

    Raises:
        Exception: What ``work`` raised, when its item's turn comes.
    """
    return closing(_results(work, items, workers))


def _results(work: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R, None, None]:
    remaining = iter(items)
    executor = ThreadPoolExecutor(workers, thread_name_prefix="read-ahead")
    try:
        waiting: deque[Future[R]] = deque(
            executor.submit(work, item) for item in islice(remaining, 2 * workers)
        )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(work, item) for item in islice(remaining, 1))
            yield result
    finally:
        executor.shutdown(cancel_futures=True)
