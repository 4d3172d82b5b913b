"""The Triton engine: images from servers that hold the same pipelines as the engine in process.

Every image is a call of its own, so that Triton forms the batches, out of the images of all
callers and services. An image is a function of its request alone, so a call that was lost with its
server is simply made again, there or elsewhere: nothing can be made twice in any way that shows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from synthvlm.errors import InvalidInput, QueueFull
from synthvlm.generation.engine import ImageRequest, Sample
from synthvlm.generation.identity import Identity
from synthvlm.generation.triton.endpoint import Answer, Endpoint, Failure
from synthvlm.generation.triton.endpoints import Endpoints
from synthvlm.progress import Reporter

_POLL_SECONDS = 0.2
"""How often a waiting caller is asked whether it is still there: seldom, for the threads of all
callers take their time from the model where it computes on the same cores."""
_SMOOTHING = 0.1
_FULL_SECONDS = (_POLL_SECONDS, 2.0)
"""First and longest pause of a patient caller whom every server has turned away."""
_ADVICE_SECONDS = (0.1, 60.0)
"""Least and most advice to a caller who is not patient."""


@dataclass(eq=False)
class _Image:
    """An image on its way.

    Attributes:
        request: What is asked for.
        sample: The image, once it is there.
        cancel: Cancels the call under way; None when there is none.
        full: Servers that have turned it away in this round.
        rounds: Times that every server has turned it away.
        not_before: When it may be tried again.
    """

    request: ImageRequest
    sample: Sample | None = None
    cancel: Callable[[], None] | None = None
    full: list[Endpoint] = field(default_factory=list)
    rounds: int = 0
    not_before: float = 0.0


class TritonEngine:
    """Asks Triton servers; see ``Engine``.

    Args:
        addresses: ``host:port`` of each server.
        wanted: The model that they must hold.
        batch_size: Images that a shard asks for at once.
        patience_seconds: How long to go on without any usable server.
        shared_bytes: Bytes of the largest image, where the servers are on this node and hand pixels
            over in shared memory; 0: they are sent.

    Raises:
        PreconditionFailed: A server holds another model, or shares no memory.
        Unavailable: No server can be used within the patience.
    """

    name = "triton"

    def __init__(
        self,
        addresses: Sequence[str],
        wanted: Identity,
        batch_size: int,
        patience_seconds: float,
        shared_bytes: int = 0,
    ) -> None:
        self.batch_size = batch_size
        self._patience = patience_seconds
        self._seconds = 1.0
        self._endpoints = Endpoints(addresses, wanted, shared_bytes)
        try:
            identity = self._endpoints.wait(patience_seconds)
        except BaseException:
            self._endpoints.close()
            raise
        self.model_digest = identity.model_digest
        self.numerics = identity.numerics

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """One image. Where every server's queue is full, its caller is told when to come again.

        Raises:
            OperationCancelled: The caller has gone; the call under way is
                cancelled.
            QueueFull: Every server's queue is full.
            Unavailable: No server could be used for as long as the patience lasts.
            PreconditionFailed: As ``Unavailable``, but a server answers and holds another model.
            InvalidInput: The model refuses the request.
        """
        return self._generate([request], reporter, patient=False)[0]

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Images of a shard. They wait for their turn, so that none of them is made in vain.

        Raises:
            OperationCancelled, Unavailable, PreconditionFailed, InvalidInput: As ``image``.
        """
        return self._generate(requests, reporter, patient=True)

    def close(self) -> None:
        """Closes the connections."""
        self._endpoints.close()

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
                    self._endpoints.lost(endpoint, answer.message)
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
        """Sends an image that waits to be sent; False when there is no server to send it to."""
        if image.sample or image.cancel or time.monotonic() < image.not_before:
            return True
        endpoint = self._endpoints.take(image.full)
        if endpoint is None:
            image.full.clear()
            return False

        def done(answer: Answer) -> None:
            self._endpoints.give_back(endpoint)
            answers.put((image, endpoint, answer))

        image.cancel = endpoint.send(image.request, done)
        return True

    def _endure(self, since: float | None) -> float:
        """When the trouble began; raises once it has lasted too long."""
        now = time.monotonic()
        if since is not None and now - since > self._patience:
            raise self._endpoints.problem()
        return now if since is None else since

    def _turned_away(self, image: _Image, endpoint: Endpoint, patient: bool) -> None:
        """Tries the next server; when all are full, waits or raises."""
        image.full.append(endpoint)
        if len(image.full) < self._endpoints.ready:
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
