"""The engine in process: diffusers' pipelines behind a batcher."""

from typing import TYPE_CHECKING

from synthvlm.generation.batching import Batcher
from synthvlm.generation.identity import places_of

if TYPE_CHECKING:
    from synthvlm.generation.diffusion.pipelines import Pipelines


class DiffusersEngine(Batcher):
    """Runs pipelines for the calls of a service; see ``Engine`` and ``Batcher``.

    Args:
        pipelines: The pipelines; only the engine may call them.
        batch_size: Maximum number of images in a batch.
        wait_seconds: How long callers of the previous batch are waited for.
    """

    name = "diffusers"

    def __init__(self, pipelines: "Pipelines", batch_size: int, wait_seconds: float) -> None:
        places = places_of(pipelines.numerics, batch_size)
        super().__init__(pipelines.generate, places, wait_seconds)
        self.model_digest = pipelines.model_digest
        self.numerics = pipelines.numerics
