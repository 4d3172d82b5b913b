"""The Triton engine: images from servers that hold the same pipelines as the engine in process.

Every image is a separate call, so that Triton forms batches from the images of all callers and
services. An image is a function of its request alone, so a call that was lost with its server is
simply repeated, there or elsewhere, with the same result.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from synthvlm.errors import InvalidInput, QueueFull
from synthvlm.generation.engine import ImageRequest, Sample
from synthvlm.generation.identity import Identity
from synthvlm.generation.triton.endpoint import Answer, Endpoint, Failure, Tls
from synthvlm.generation.triton.endpoints import Endpoints
from synthvlm.progress import Reporter

_POLL_SECONDS = 0.2
"""How often a waiting call checks that its caller is still there: rarely, because the threads of
all calls take time from a model that computes on the same cores."""
_SMOOTHING = 0.1
_FULL_SECONDS = (_POLL_SECONDS, 2.0)
"""First and longest pause of a patient caller after every server has rejected it."""
_ADVICE_SECONDS = (0.1, 60.0)
"""Shortest and longest retry delay advised to a caller who is not patient."""


@dataclass(eq=False)
class _Image:
    """An image in progress.

    Attributes:
        sample: The image, once it has arrived.
        cancel: Cancels the current call; None if there is none.
        full: Servers that have rejected it in this round.
        rounds: Times that every server has rejected it.
        not_before: When it may be tried again.
    """

    request: ImageRequest
    sample: Sample | None = None
    cancel: Callable[[], None] | None = None
    full: list[Endpoint] = field(default_factory=list)
    rounds: int = 0
    not_before: float = 0.0


class TritonEngine:
    """Calls Triton servers; see ``Engine``.

    Args:
        addresses: ``host:port`` of each server.
        wanted: The model that they must hold.
        batch_size: Images that a shard requests at once.
        patience_seconds: How long to wait without a usable server.
        shared_bytes: Size of the largest image, if the servers are on this node and return pixels
            in shared memory; 0: pixels are sent.
        tls: How the servers are known; None: plain text.

    Raises:
        PreconditionFailed: A server holds a different model, or cannot use the shared memory.
        Unavailable: No server is usable within ``patience_seconds``.
    """

    name = "triton"

    def __init__(
        self,
        addresses: Sequence[str],
        wanted: Identity,
        batch_size: int,
        patience_seconds: float,
        shared_bytes: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self.batch_size = batch_size
        self._patience = patience_seconds
        self._seconds = 1.0
        self.endpoints = Endpoints(addresses, wanted, shared_bytes, tls)
        try:
            identity = self.endpoints.wait(patience_seconds)
        except BaseException:
            self.endpoints.close()
            raise
        self.model_digest = identity.model_digest
        self.numerics = identity.numerics

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """Generates one image.

        Raises:
            OperationCancelled: The caller has gone; the current call is cancelled.
            QueueFull: Every server's queue is full; the error says when to retry.
            Unavailable: No server was usable for ``patience_seconds``.
            PreconditionFailed: As ``Unavailable``, but a server answers and holds a different
                model.
            InvalidInput: The model rejects the request.
        """
        return self._generate([request], reporter, patient=False)[0]

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Generates images of a shard, waiting while queues are full.

        Raises:
            OperationCancelled, Unavailable, PreconditionFailed, InvalidInput: As ``image``.
        """
        return self._generate(requests, reporter, patient=True)

    def close(self) -> None:
        """Closes the connections."""
        self.endpoints.close()

    def _generate(
        self, requests: Sequence[ImageRequest], reporter: Reporter, *, patient: bool
    ) -> list[Sample]:
        images = [_Image(request) for request in requests]
        answers: SimpleQueue[tuple[_Image, Endpoint, Answer]] = SimpleQueue()
        failing_since: float | None = None
        try:
            while any(image.sample is None for image in images):
                reporter.check()
                sent = [self._send(image, answers) for image in images]
                if not all(sent):
                    failing_since = self._endure(failing_since)
                try:
                    image, endpoint, answer = answers.get(timeout=_POLL_SECONDS)
                except Empty:
                    continue
                image.cancel = None
                if answer.sample is not None:
                    image.sample = answer.sample
                    failing_since = None
                    self._seconds += _SMOOTHING * (answer.seconds - self._seconds)
                elif answer.failure is Failure.LOST:
                    self.endpoints.lost(endpoint, answer.message)
                    failing_since = self._endure(failing_since)
                elif answer.failure is Failure.FULL:
                    self._turned_away(image, endpoint, patient)
                elif answer.failure is Failure.INVALID:
                    raise InvalidInput(answer.message)
                else:
                    raise RuntimeError(f"the Triton model failed: {answer.message}")
        finally:
            for image in images:
                if image.cancel is not None:
                    image.cancel()
        return [image.sample for image in images if image.sample is not None]

    def _send(self, image: _Image, answers: "SimpleQueue[tuple[_Image, Endpoint, Answer]]") -> bool:
        """Sends an image; False if there is no server to send it to."""
        if image.sample or image.cancel or time.monotonic() < image.not_before:
            return True
        endpoint = self.endpoints.take(image.full)
        if endpoint is None:
            image.full.clear()
            return False

        def done(answer: Answer) -> None:
            self.endpoints.give_back(endpoint)
            answers.put((image, endpoint, answer))

        image.cancel = endpoint.send(image.request, done)
        return True

    def _endure(self, since: float | None) -> float:
        """When the servers became unusable; raises once that was too long ago."""
        now = time.monotonic()
        if since is not None and now - since > self._patience:
            raise self.endpoints.problem()
        return now if since is None else since

    def _turned_away(self, image: _Image, endpoint: Endpoint, patient: bool) -> None:
        """Moves on to the next server; if all are full, schedules a retry or raises."""
        image.full.append(endpoint)
        if len(image.full) < self.endpoints.ready:
            return
        if not patient:
            least, most = _ADVICE_SECONDS
            raise QueueFull(
                "the queues of all Triton servers are full", min(most, max(least, self._seconds))
            )
        first, longest = _FULL_SECONDS
        image.not_before = time.monotonic() + min(longest, first * 2**image.rounds)
        image.rounds += 1
        image.full.clear()
