"""Loads the pipelines of a profile, with its executor."""

from typing import TYPE_CHECKING

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu

if TYPE_CHECKING:
    from synthvlm.generation.diffusion.executor import Executor
    from synthvlm.generation.diffusion.pipelines import Pipelines


def load_pipelines(settings: GenerationSettings) -> "Pipelines":
    """Loads base and refiner, importing the libraries that they need.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded, or the executor rejects a component.
    """
    prepare_cpu()
    from synthvlm.generation.diffusion.loading import load

    return load(settings.pipeline, executor_of(settings))


def executor_of(settings: GenerationSettings) -> "Executor | None":
    """The executor that computes the components; None: PyTorch itself."""
    if settings.pipeline.executor == "onnxruntime":
        from synthvlm.generation.onnx.executor import OnnxRuntimeExecutor

        return OnnxRuntimeExecutor(settings.pipeline.threads)
    if settings.pipeline.executor == "tensorrt":
        from synthvlm.generation.tensorrt.executor import tensorrt_executor

        return tensorrt_executor(settings)
    return None
