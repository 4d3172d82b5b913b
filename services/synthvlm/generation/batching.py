"""Batches images across calls: single images share a batch, shards bring whole batches.

A dedicated thread runs one batch at a time; everything else waits in one queue, first come, first
served. A shard call queues one batch at a time: item calls that arrived during its last batch go
first, and its next batch goes before anything that arrives later.

The callers of a batch return one after another when it ends: if the waiting images started without
them, the callers would stay split into two batches for good, each only half full. So a partial
batch starts when as many callers have come as the previous batch had, or none for a while. A lone
caller never waits, nor does the first one after a pause; those who come meanwhile share the next
batch.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field

from prometheus_client import Histogram

from synthvlm.errors import OperationCancelled, Unavailable
from synthvlm.generation.engine import ImageRequest, Sample, timed
from synthvlm.progress import Reporter
from synthvlm.storage.batch_places import Places

_POLL_SECONDS = 0.2
"""How often a waiting call checks that its caller is still there. Sixteen threads that wake up
fifty times a second slow an engine on two cores by 5%."""

Generate = Callable[[Sequence[ImageRequest], Reporter], list[Sample]]
"""Generates one batch of requests with the same sampling parameters."""

_BATCH_IMAGES = Histogram(
    "synthvlm_generation_batch_images",
    "Images generated together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
_BATCH_SECONDS = Histogram(
    "synthvlm_generation_batch_seconds",
    "Seconds that the engine took per batch.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)


@dataclass(eq=False)
class _Job:
    """The requests of one caller, and their result."""

    requests: tuple[ImageRequest, ...]
    alone: bool
    queued_at: float = field(default_factory=time.monotonic)
    wanted: bool = True
    result: Future[list[Sample]] = field(default_factory=Future)

    def joins(self, other: "_Job") -> bool:
        """Whether this job may share a batch with ``other``."""
        if self.alone or other.alone:
            return self is other
        return self.requests[0].sampling == other.requests[0].sampling


class _Callers:
    """The reporter of a batch, which continues as long as any of its callers waits."""

    def __init__(self, jobs: Sequence[_Job]) -> None:
        self._jobs = jobs

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Only asks, as ``check``: callers learn of their batch when it is finished."""
        del done, total, resumed, reused
        self.check()

    def check(self) -> None:
        """Raises if all callers have gone."""
        if not any(job.wanted for job in self._jobs):
            raise OperationCancelled("all callers of this batch have gone")


class Batcher:
    """Batches requests from many threads.

    Args:
        generate: Generates a batch; only the batcher may call it.
        places: Places of a batch.
        wait_seconds: How long callers of the previous batch are waited for, from its end and from
            each request that comes.
    """

    def __init__(self, generate: Generate, places: Places, wait_seconds: float) -> None:
        self._generate = generate
        self._places = places
        self.batch_size = places.total
        self._wait_seconds = wait_seconds
        self._queue: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of callers whose batch has not started."""
        with self._changed:
            return len(self._queue)

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """Generates one image, possibly in a batch with those of other callers. Blocks.

        Raises:
            OperationCancelled: The caller has gone.
            Unavailable: The batcher is closed.
        """
        return self._wait(_Job((request,), alone=False), reporter)[0]

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Generates one batch of exactly these requests, with equal sampling parameters. Blocks.

        Raises:
            OperationCancelled: The caller has gone.
            Unavailable: The batcher is closed.
        """
        return self._wait(_Job(tuple(requests), alone=True), reporter)

    def close(self) -> None:
        """Finishes the current batch, rejects waiting requests, and stops."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _wait(self, job: _Job, reporter: Reporter) -> list[Sample]:
        with self._changed:
            if self._closed:
                raise _closed()
            self._queue.append(job)
            self._changed.notify_all()
        try:
            while not wait_for([job.result], _POLL_SECONDS).done:
                reporter.check()
        except BaseException:
            with self._changed:
                job.wanted = False
                if job in self._queue:
                    self._queue.remove(job)
                self._changed.notify_all()
            raise
        return job.result.result()

    def _run(self) -> None:
        jobs: list[_Job] = []
        while jobs := self._next(sum(not job.alone for job in jobs)):
            requests = [request for job in jobs for request in job.requests]
            try:
                began = time.monotonic()
                with _BATCH_SECONDS.time():
                    samples = self._generate(requests, _Callers(jobs))
                samples = timed(samples, time.monotonic() - began)
            except Exception as error:
                for job in jobs:
                    job.result.set_exception(error)
                continue
            _BATCH_IMAGES.observe(len(samples))
            for job in jobs:
                job.result.set_result(samples[: len(job.requests)])
                samples = samples[len(job.requests) :]

    def _next(self, returning: int) -> list[_Job]:
        """The jobs of the next batch; empty when the batcher is closed.

        Args:
            returning: Callers of the previous batch, who may come back for another image.
        """
        free_since = time.monotonic()
        with self._changed:
            while not self._closed:
                if not self._queue:
                    if not self._changed.wait(self._wait_seconds if returning else None):
                        returning = 0  # Whoever comes now is not one of them.
                    continue
                head = self._queue[0]
                jobs = [job for job in self._queue if job.joins(head)]
                patience = self._patience(free_since, returning)
                if head.alone or len(jobs) >= self.batch_size or patience <= 0:
                    jobs = [jobs[number] for number in self._places.first(self._drawn(jobs))]
                    for job in jobs:
                        self._queue.remove(job)
                    return jobs
                self._changed.wait(patience)
            for job in self._queue:
                job.result.set_exception(_closed())
            self._queue.clear()
            return []

    def _drawn(self, jobs: Sequence[_Job]) -> list[int | None]:
        """The reserved places of the first requests of jobs."""
        firsts = [job.requests[0] for job in jobs]
        return [self._places.drawn(first.prompt, first.seed) for first in firsts]

    def _patience(self, free_since: float, returning: int) -> float:
        """Seconds to wait for callers who have not come back; 0 or less: not at all."""
        arrivals = [job.queued_at for job in self._queue]
        if sum(at >= free_since for at in arrivals) >= returning:
            return 0.0
        return max(free_since, arrivals[-1]) + self._wait_seconds - time.monotonic()


def _closed() -> Unavailable:
    return Unavailable("the service is shutting down", retry_after_seconds=1.0)
