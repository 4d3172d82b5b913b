"""The engine in this process: diffusers' pipelines behind a batcher."""

from typing import TYPE_CHECKING

from synthvlm.generation.batching import Batcher

if TYPE_CHECKING:
    from synthvlm.generation.diffusion.pipelines import Pipelines


class DiffusersEngine(Batcher):
    """Gives pipelines to the calls of a service; see ``Engine``.

    Args:
        pipelines: The pipelines; nobody else may call them.
        batch_size: Images in one batch, at most.
        wait_seconds: How long nothing must have come before a batch starts that is not full.
    """

    name = "diffusers"

    def __init__(self, pipelines: "Pipelines", batch_size: int, wait_seconds: float) -> None:
        super().__init__(pipelines.generate, batch_size, wait_seconds)
        self.model_digest = pipelines.model_digest
        self.numerics = pipelines.numerics
