"""Loads the pipelines of a profile, with its executor, compiled and padded as they need it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.engine import ImageRequest
from synthvlm.progress import SILENT

if TYPE_CHECKING:
    from synthvlm.generation.diffusion.executor import Executor
    from synthvlm.generation.diffusion.pipelines import Pipelines

_log = structlog.get_logger(__name__)

_FEW: Final = (1, 2, 3)
"""Sizes of batches that kernels were seen to compute otherwise than larger ones."""


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


def settle_padding(pipelines: "Pipelines", settings: GenerationSettings) -> None:
    """Pads whole batches where padding single layers is not enough, as a few images show."""
    if settings.pipeline.pads_layers and not _few_are_alike(pipelines, settings):
        _log.warning("padding single layers is not enough on this processor; batches are padded")
        pipelines.pad_batches()


def _compile(pipelines: "Pipelines", settings: GenerationSettings) -> None:
    """Makes a batch that reaches everything that is compiled, before anyone waits for one."""
    sampling, short = settings.sampling, settings.sampling.shortened()
    ends = settings.pipeline.guidance_end < 1
    for scale in {sampling.guidance_scale, 1.0 if ends else sampling.guidance_scale}:
        request = ImageRequest("compilation", 0, replace(short, guidance_scale=scale))
        pipelines.generate([request], SILENT)


def _few_are_alike(pipelines: "Pipelines", settings: GenerationSettings) -> bool:
    """Whether images of small batches are those of a batch that is not padded."""
    short = settings.sampling.shortened()
    requests = [
        ImageRequest(f"check {n}", n, short) for n in range(settings.pipeline.batch_multiple)
    ]
    together = pipelines.generate(requests, SILENT)
    return all(
        np.array_equal(one.pixels, other.pixels)
        for size in _FEW
        for one, other in zip(pipelines.generate(requests[:size], SILENT), together, strict=False)
    )


def executor_of(settings: GenerationSettings) -> "Executor | None":
    """The executor that computes the components; None: PyTorch itself."""
    if settings.pipeline.executor == "onnxruntime":
        from synthvlm.generation.onnx.executor import OnnxRuntimeExecutor

        return OnnxRuntimeExecutor(settings.pipeline.threads)
    if settings.pipeline.executor == "tensorrt":
        from synthvlm.generation.tensorrt.executor import tensorrt_executor

        return tensorrt_executor(settings)
    return None
