"""Loads pipelines from local folders of safetensors."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline, StableDiffusionXLImg2ImgPipeline

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.cpu import keep_memory
from synthvlm.generation.diffusion.executor import Executor, take_over
from synthvlm.generation.diffusion.pipelines import Pipelines
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.torch.acceleration import accelerate
from synthvlm.generation.torch.requirements import device_of, require
from synthvlm.model_folders import model_digest

_SHARED = ("text_encoder_2", "tokenizer_2", "vae")
"""Components that a refiner may share with its base, as SDXL's does."""


def load(settings: PipelineSettings, executor: Executor | None = None) -> Pipelines:
    """Loads the pipelines; nothing is downloaded.

    Args:
        settings: The pipelines to load.
        executor: The executor named in the settings; None: PyTorch.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A folder does not contain such a pipeline, the device is unavailable or
            cannot do what ``settings.torch`` asks for, or the executor cannot compute a component.
    """
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # Algorithms chosen by timing would differ from run to run.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.set_num_threads(settings.threads)
    if settings.device == "cpu":
        keep_memory()
    folders = settings.folders()
    try:
        require(settings.torch, device_of(settings.device), getattr(torch, settings.dtype))
        loaded = _from_folders(settings, *folders)
        if settings.scheduler is not None:
            scheduler = _class(settings.scheduler, diffusers.SchedulerMixin)
            for pipeline in loaded.values():
                pipeline.scheduler = scheduler.from_config(
                    pipeline.scheduler.config, **settings.scheduler_options
                )
        if executor is not None:
            take_over(loaded, executor, settings.device)
        for pipeline in loaded.values():
            pipeline.to(settings.device)
        accelerate(loaded.values(), settings.torch)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise PreconditionFailed(f"the pipelines cannot be loaded: {error}") from error
    return Pipelines(
        loaded["base"],
        loaded.get("refiner"),
        settings,
        None if executor is None else executor.numerics,
    )


def _from_folders(
    settings: PipelineSettings, base: Path, refiner: Path | None = None
) -> dict[str, Any]:
    """The pipelines by role, on the CPU."""
    options = {
        "dtype": getattr(torch, settings.dtype),
        "variant": settings.variant,
        "use_safetensors": True,
        "local_files_only": True,
    }
    # The library's own watermark would change the pixels if its package is installed.
    xl = {**options, "add_watermarker": False}
    loaded = {
        "base": _class(settings.class_name, DiffusionPipeline).from_pretrained(
            base,
            **(xl if "StableDiffusionXL" in settings.class_name else options),
            **_left_out(base),
        )
    }
    if refiner is not None:
        shared = {
            name: getattr(loaded["base"], name)
            for name in _SHARED
            if _same_files(base / name, refiner / name)
        }
        loaded["refiner"] = StableDiffusionXLImg2ImgPipeline.from_pretrained(
            refiner, **xl, **shared
        )
    return loaded


def _class(name: str, base: Any) -> Any:
    """The diffusers class called ``name``.

    Raises:
        PreconditionFailed: There is none, or it is not a subclass of ``base``.
    """
    found = getattr(diffusers, name, None)
    if not isinstance(found, type) or not issubclass(found, base):
        raise PreconditionFailed(f"diffusers has no {base.__name__} called {name}")
    return found


def _left_out(folder: Path) -> dict[str, None]:
    """Components that a folder declares as absent, as Stable Diffusion 3 may omit T5.

    diffusers treats a missing component as an error unless it is passed as None.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return {name: None for name, kind in index.items() if kind == [None, None]}


def _same_files(one: Path, other: Path) -> bool:
    """Whether two components are identical, so that both pipelines can share one copy."""
    return one.is_dir() and other.is_dir() and model_digest(one) == model_digest(other)
