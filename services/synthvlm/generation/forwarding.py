"""An engine that batches by itself: what callers ask for goes straight to it, from their threads.

Its other end forms the batches, from the images of all callers and of all services that share it.
"""

from collections.abc import Sequence
from typing import Protocol

from synthvlm.generation.engine import Engine, ImageRequest, Sample
from synthvlm.progress import Reporter


class BatchingEngine(Engine, Protocol):
    """An engine that many threads may call, each for images of its own."""

    def generate(
        self, requests: Sequence[ImageRequest], reporter: Reporter, *, patient: bool = True
    ) -> list[Sample]:
        """See ``Engine.generate``.

        Args:
            requests: One or more requests, with any sampling parameters.
            reporter: Asked while the images are waited for.
            patient: Whether to wait where too many wait already, instead of raising.

        Raises:
            OperationCancelled: The reporter says that nobody waits any more.
            QueueFull: Too many wait already, and the caller is not patient.
            Unavailable: Nothing can synthesise now.
        """

    def close(self) -> None:
        """Ends its connections."""


class Forwarder:
    """Gives a batching engine to many threads; see ``SharedEngine``.

    Args:
        engine: The engine.
        batch_size: Images that a shard asks for at once.
    """

    def __init__(self, engine: BatchingEngine, batch_size: int) -> None:
        self.engine: Engine = engine
        self.batch_size = batch_size
        self._engine = engine

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """One image. Where a queue is full, its caller is told when to come again."""
        return self._engine.generate([request], reporter, patient=False)[0]

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Images of a shard. They wait for their turn, so that none of them is made in vain."""
        return self._engine.generate(requests, reporter)

    def close(self) -> None:
        """Closes the engine."""
        self._engine.close()
