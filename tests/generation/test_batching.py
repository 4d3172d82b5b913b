import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from synthvlm.errors import OperationCancelled, Unavailable
from synthvlm.generation.batching import Batcher
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.progress import SILENT
from synthvlm.storage.batch_places import Places

SAMPLING = Sampling(3, 3.0, 0.8, 8, 8)
LONG_SECONDS = 30.0
"""A patience that no test reaches: a batch that starts is full."""


def request(seed, **changes):
    return ImageRequest("a red circle", seed, replace(SAMPLING, **changes))


class Caller:
    """A caller that a test can send away."""

    def __init__(self):
        self.gone = threading.Event()

    def report(self, done, total, resumed=0, reused=0):
        self.check()

    def check(self):
        if self.gone.is_set():
            raise OperationCancelled("gone")


class Gate:
    """Holds the making of a batch within a step until it is opened."""

    def __init__(self):
        self.reached = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self):
        self.reached.release()
        assert self.opened.wait(LONG_SECONDS)

    def wait(self):
        assert self.reached.acquire(timeout=LONG_SECONDS)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(32) as pool:
        yield pool


@pytest.fixture
def batcher_of():
    made = []

    def make(pipelines, batch_size=4, wait_seconds=0.0, reserved=0):
        places = Places(batch_size, reserved)
        made.append(Batcher(pipelines.generate, places, wait_seconds))
        return made[-1]

    yield make
    for batcher in made:
        batcher.close()


def queued(batcher, count):
    """Waits until ``count`` callers wait."""
    deadline = time.monotonic() + LONG_SECONDS
    while batcher.waiting != count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def gathered(batcher, gate, threads, callers):
    """Calls that wait together, while the engine makes a batch of a shard at the gate."""
    threads.submit(batcher.batch, [request(1000, steps=1)], SILENT)
    gate.wait()
    calls = []
    for seed, caller in enumerate(callers):
        calls.append(threads.submit(batcher.image, request(seed), caller))
        queued(batcher, seed + 1)
    return calls


def sizes(pipelines):
    return [len(batch) for batch in pipelines.batches]


def test_single_images_are_made_together_and_each_caller_gets_its_own(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, wait_seconds=LONG_SECONDS)
    calls = gathered(batcher, gate, threads, [SILENT] * 8)
    gate.opened.set()
    samples = [call.result(LONG_SECONDS) for call in calls]
    assert sizes(pipelines) == [1, 4, 4]
    assert pipelines.threads == {"engine"}
    for seed, sample in enumerate(samples):
        (expected,) = painter().generate([request(seed)], SILENT)
        assert np.array_equal(sample.pixels, expected.pixels)


def test_a_lone_caller_never_waits(painter, batcher_of):
    pipelines = painter()
    batcher = batcher_of(pipelines, wait_seconds=LONG_SECONDS)
    for seed in range(3):
        batcher.image(request(seed), SILENT)  # a wait would be longer than the test may take
    assert sizes(pipelines) == [1, 1, 1]


def test_callers_who_stay_away_are_waited_for_once(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, batch_size=3, wait_seconds=0.5)
    calls = gathered(batcher, gate, threads, [SILENT] * 3)
    gate.opened.set()
    for call in calls:
        call.result(LONG_SECONDS)
    began = time.monotonic()
    for seed in range(8):
        batcher.image(request(seed), SILENT)
    assert 0.4 < time.monotonic() - began < 3.0
    assert sizes(pipelines) == [1, 3, *[1] * 8]


def test_after_a_pause_nobody_is_waited_for(painter, batcher_of, threads):
    gate = Gate()
    batcher = batcher_of(painter(gate), batch_size=3, wait_seconds=1.0)
    calls = gathered(batcher, gate, threads, [SILENT] * 3)
    gate.opened.set()
    for call in calls:
        call.result(LONG_SECONDS)
    time.sleep(1.2)
    began = time.monotonic()
    batcher.image(request(9), SILENT)
    assert time.monotonic() - began < 0.9


def test_requests_that_cannot_share_a_batch_are_split(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines)
    first = threads.submit(batcher.image, request(0), SILENT)
    gate.wait()
    mixed = [request(seed, steps=1 + seed % 3) for seed in range(9)]
    waiting = [threads.submit(batcher.image, one, SILENT) for one in mixed]
    queued(batcher, 9)
    gate.opened.set()
    for future in [first, *waiting]:
        assert future.result(LONG_SECONDS).defect is None
    assert sizes(pipelines) == [1, 3, 3, 3]


def test_whole_batches_stay_as_they_are(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines)
    first = threads.submit(batcher.image, request(0), SILENT)
    gate.wait()
    whole = [[request(10), request(11)], [request(20)]]
    waiting = []
    for count, batch in enumerate(whole, start=1):
        waiting.append(threads.submit(batcher.batch, batch, SILENT))
        queued(batcher, count)
    waiting.append(threads.submit(batcher.image, request(30), SILENT))
    queued(batcher, 3)
    gate.opened.set()
    results = [future.result(LONG_SECONDS) for future in [first, *waiting]]
    assert [len(result) for result in results[1:3]] == [2, 1]
    assert pipelines.batches[1:] == [*whole, [request(30)]]


def test_first_come_first_served(painter, batcher_of, threads):
    """Neither a shard nor a stream of single images shuts the other out."""
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines)
    started = threads.submit(batcher.batch, [request(0)], SILENT)
    gate.wait()
    waiting = []
    for seed in range(1, 9):
        call = batcher.image if seed % 2 else lambda one, caller: batcher.batch([one], caller)
        waiting.append(threads.submit(call, request(seed, steps=seed), SILENT))
        queued(batcher, seed)
    gate.opened.set()
    for future in [started, *waiting]:
        future.result(LONG_SECONDS)
    assert [batch[0].seed for batch in pipelines.batches] == list(range(9))


def test_one_caller_may_leave_a_shared_batch(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, batch_size=2)
    leaver = Caller()
    leaving, staying = gathered(batcher, gate, threads, [leaver, SILENT])
    pipelines.on_step = inner = Gate()
    gate.opened.set()
    inner.wait()
    leaver.gone.set()
    with pytest.raises(OperationCancelled):
        leaving.result(LONG_SECONDS)
    inner.opened.set()
    assert staying.result(LONG_SECONDS).defect is None
    assert sizes(pipelines) == [1, 2]


def test_a_batch_that_nobody_waits_for_stops_within_a_step(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, batch_size=2)
    callers = [Caller(), Caller()]
    calls = gathered(batcher, gate, threads, callers)
    pipelines.on_step = inner = Gate()
    gate.opened.set()
    inner.wait()
    for caller in callers:
        caller.gone.set()
    for call in calls:
        with pytest.raises(OperationCancelled):
            call.result(LONG_SECONDS)
    inner.opened.set()
    batcher.batch([request(5)], SILENT)
    assert pipelines.steps == 1 + 1 + SAMPLING.steps


def test_a_caller_that_leaves_the_queue_is_forgotten(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines)
    first = threads.submit(batcher.image, request(0), SILENT)
    gate.wait()
    caller = Caller()
    waiting = threads.submit(batcher.image, request(1), caller)
    queued(batcher, 1)
    caller.gone.set()
    with pytest.raises(OperationCancelled):
        waiting.result(LONG_SECONDS)
    queued(batcher, 0)
    gate.opened.set()
    first.result(LONG_SECONDS)
    assert sizes(pipelines) == [1]


def test_an_error_reaches_every_caller_and_the_next_batch_is_made(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, batch_size=2)
    calls = gathered(batcher, gate, threads, [SILENT] * 2)

    def broken():
        raise MemoryError("no memory left")

    pipelines.on_step = broken
    gate.opened.set()
    for call in calls:
        with pytest.raises(MemoryError):
            call.result(LONG_SECONDS)
    pipelines.on_step = lambda: None
    assert batcher.batch([request(3)], SILENT)[0].defect is None


def test_a_closed_batcher_refuses_what_waits_and_what_comes(painter, batcher_of, threads):
    gate = Gate()
    batcher = batcher_of(painter(gate))
    running = threads.submit(batcher.image, request(0), SILENT)
    gate.wait()
    waiting = threads.submit(batcher.image, request(1), SILENT)
    queued(batcher, 1)
    closing = threads.submit(batcher.close)
    gate.opened.set()
    closing.result(LONG_SECONDS)
    assert running.result(LONG_SECONDS).defect is None
    with pytest.raises(Unavailable):
        waiting.result(LONG_SECONDS)
    with pytest.raises(Unavailable):
        batcher.image(request(2), SILENT)


def test_callers_that_come_back_one_after_another_share_a_batch_again(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, wait_seconds=1.0)
    calls = gathered(batcher, gate, threads, [SILENT] * 3)
    gate.opened.set()
    for call in calls:
        call.result(LONG_SECONDS)
    again = []
    for seed in range(3):
        again.append(threads.submit(batcher.image, request(seed), SILENT))
        time.sleep(0.6)
    for call in again:
        call.result(LONG_SECONDS)
    assert sizes(pipelines) == [1, 3, 3]


def test_callers_that_come_back_join_those_that_waited_meanwhile(painter, batcher_of, threads):
    gate = Gate()
    pipelines = painter(gate)
    batcher = batcher_of(pipelines, batch_size=2, wait_seconds=1.0)

    def client():
        for seed in range(2):
            batcher.image(request(seed), SILENT)

    coming_back = threads.submit(client)
    gate.wait()
    waiting = threads.submit(batcher.image, request(2), SILENT)
    queued(batcher, 1)
    time.sleep(1.5)  # longer than it would have to wait for others
    gate.opened.set()
    for call in (coming_back, waiting):
        call.result(LONG_SECONDS)
    assert sizes(pipelines) == [1, 2]
