"""The pipelines of a profile, with the executor that it chooses."""

from typing import TYPE_CHECKING

from synthvlm.generation.config import GenerationSettings
from synthvlm.models import resolve_model

if TYPE_CHECKING:
    from synthvlm.generation.engines.diffusers import DiffusersEngine
    from synthvlm.generation.executors.executor import Executor


def load_pipelines(settings: GenerationSettings) -> "DiffusersEngine":
    """Loads base and refiner; the libraries that they need are imported here.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded.
    """
    return load_with(settings, executor_of(settings), settings.device)


def load_with(
    settings: GenerationSettings, executor: "Executor | None", device: str
) -> "DiffusersEngine":
    """Loads base and refiner with another executor or on another device than the profile's.

    Args:
        settings: The profile's settings.
        executor: What computes the networks; None: PyTorch.
        device: torch device, for example ``cpu``.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded, or the executor refuses a network.
    """
    from synthvlm.generation.engines import diffusers

    return diffusers.load(
        resolve_model(settings.model),
        None if settings.refiner is None else resolve_model(settings.refiner),
        device=device,
        dtype=settings.dtype,
        threads=settings.threads,
        batch_multiple=settings.batch_multiple,
        variant=settings.variant,
        recipe=settings.recipe,
        executor=executor,
    )


def executor_of(settings: GenerationSettings) -> "Executor | None":
    """What computes the networks; None: PyTorch itself."""
    if settings.executor == "onnxruntime":
        from synthvlm.generation.executors.onnxruntime import OnnxRuntimeExecutor

        return OnnxRuntimeExecutor(settings.threads)
    if settings.executor == "tensorrt":
        from synthvlm.generation.plans.executor import tensorrt_executor

        return tensorrt_executor(settings)
    return None
