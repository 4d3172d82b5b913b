"""Loads the pipelines of a profile, with its executor, and compiles what is to be compiled."""

from dataclasses import replace
from typing import TYPE_CHECKING

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.engine import ImageRequest
from synthvlm.progress import SILENT

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

    pipelines = load(settings.pipeline, executor_of(settings))
    if settings.pipeline.torch.compiles:
        _compile(pipelines, settings)
    return pipelines


def _compile(pipelines: "Pipelines", settings: GenerationSettings) -> None:
    """Makes a batch that reaches everything that is compiled, before anyone waits for one."""
    sampling = settings.sampling
    refines = sampling.high_noise_fraction < 1
    short = replace(sampling, steps=2, high_noise_fraction=0.5 if refines else 1.0)
    ends = settings.pipeline.guidance_end < 1
    for scale in {sampling.guidance_scale, 1.0 if ends else sampling.guidance_scale}:
        request = ImageRequest("compilation", 0, replace(short, guidance_scale=scale))
        pipelines.generate([request], SILENT)


def executor_of(settings: GenerationSettings) -> "Executor | None":
    """The executor that computes the components; None: PyTorch itself."""
    if settings.pipeline.executor == "onnxruntime":
        from synthvlm.generation.onnx.executor import OnnxRuntimeExecutor

        return OnnxRuntimeExecutor(settings.pipeline.threads)
    if settings.pipeline.executor == "tensorrt":
        from synthvlm.generation.tensorrt.executor import tensorrt_executor

        return tensorrt_executor(settings)
    return None
