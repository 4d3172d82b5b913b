"""The diffusers engine: a base pipeline and SDXL's refiner, in process.

The denoising loops are diffusers' own. This module decides what goes into them: which part of the
schedule each pipeline denoises, one CPU generator a sample, the padding that makes an image
independent of its batch, and the callback that asks once a step whether to go on. A network is an
attribute of its pipeline (``unet``, ``text_encoder``, ``vae``…), so one that is computed by an
executor takes its place without a change here.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers import DiffusionPipeline, StableDiffusionXLImg2ImgPipeline

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.engine import ImageRequest, Sample, find_defect
from synthvlm.generation.engines.memory import keep_memory
from synthvlm.generation.executors.executor import Executor, take_over
from synthvlm.generation.identity import numerics_of
from synthvlm.generation.recipe import SDXL_RECIPE, PipelineRecipe
from synthvlm.models import model_digest
from synthvlm.progress import Reporter

_SHARED = ("text_encoder_2", "tokenizer_2", "vae")
"""Parts that a refiner may have in common with its base; SDXL's has."""


class DiffusersEngine:
    """Synthesises images with a base pipeline and, unless left out, a refiner.

    Batch invariance: kernels choose how to sum by the size of what they are given, so the same
    image differs in its last bits between a batch of 1 and a batch of 16. Every batch is therefore
    padded to a multiple of ``batch_multiple`` with copies of its first request, and the copies are
    thrown away. ``docs/decisions/batch-invariance.md`` has the measurements.

    Args:
        base: Denoises from pure noise.
        refiner: Denoises the rest of the schedule; None when there is none.
        digest: ``sha256:`` digest of the files of both, and of what replaces parts of them.
        threads: Threads of one operation on the CPU.
        batch_multiple: The padding.
        executor: What computes the networks; None: PyTorch. Part of ``numerics``.
    """

    name = "diffusers"

    def __init__(
        self,
        base: DiffusionPipeline,
        refiner: StableDiffusionXLImg2ImgPipeline | None,
        digest: str,
        threads: int,
        batch_multiple: int,
        executor: Executor | None = None,
    ) -> None:
        self.model_digest = digest
        self._base = base
        self._refiner = refiner
        self._threads = threads
        self._multiple = batch_multiple
        self.numerics = numerics_of(
            executor="torch" if executor is None else executor.name,
            device=torch.device(base.device).type,
            dtype=str(base.dtype).removeprefix("torch."),
            batch_multiple=batch_multiple,
            threads=threads,
            versions=None if executor is None else executor.numerics,
        )
        for pipeline in self._pipelines():
            pipeline.set_progress_bar_config(disable=True)

    def generate(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Synthesises one batch; see ``Engine.generate``.

        Raises:
            OperationCancelled: As ``Engine.generate``.
            ValueError: The requests do not share their sampling parameters.
        """
        if len({request.sampling for request in requests}) != 1:
            raise ValueError("the requests of a batch must have the same sampling parameters")
        # The setting is a thread's own in OpenMP: it holds for whichever thread calls.
        torch.set_num_threads(self._threads)
        padding = -len(requests) % self._multiple
        padded = [*requests, *[requests[0]] * padding]
        images = self._run(padded, reporter)[: len(requests)]
        # NaN passes through the pipeline's clamp, so that it can still be seen here.
        finite = torch.isfinite(images).flatten(1).all(1).tolist()
        pixels = (images.nan_to_num() * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return [
            Sample(
                pixels=(array := np.ascontiguousarray(one)),
                defect=find_defect(array, is_finite),
                truncated=self._truncates(request.prompt),
            )
            for request, one, is_finite in zip(requests, pixels.cpu().numpy(), finite, strict=True)
        ]

    def _run(self, batch: Sequence[ImageRequest], reporter: Reporter) -> torch.Tensor:
        """Images as float32 of shape (batch, 3, height, width), 0 to 1."""
        sampling = batch[0].sampling
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in batch]

        def after_step(*_: Any) -> dict[str, Any]:
            reporter.check()
            return {}

        common: dict[str, Any] = {
            "prompt": [request.prompt for request in batch],
            # None is the model's own unconditional embedding; "" would override its choice.
            "negative_prompt": [sampling.negative_prompt] * len(batch)
            if sampling.negative_prompt
            else None,
            # Both pipelines lay out the whole schedule, and each takes its part of it.
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "generator": generators,
            "callback_on_step_end": after_step,
            "callback_on_step_end_tensor_inputs": [],
        }
        refiner = self._refiner if sampling.high_noise_fraction < 1 else None
        # Only SDXL's pipelines, which have a refiner, know of a part of the schedule.
        part = {"denoising_end": sampling.high_noise_fraction} if refiner else {}
        reporter.check()
        images = self._base(
            **common,
            **part,
            width=sampling.width,
            height=sampling.height,
            latents=self._noise(generators, sampling.width, sampling.height),
            output_type="latent" if refiner else "pt",
        ).images
        if refiner is not None:
            images = refiner(
                **common,
                image=images,
                denoising_start=sampling.high_noise_fraction,
                output_type="pt",
            ).images
        result: torch.Tensor = images.float()
        return result

    def _noise(
        self, generators: Sequence[torch.Generator], width: int, height: int
    ) -> torch.Tensor:
        """Initial latents: drawn sample by sample on the CPU in float32, whatever the device."""
        factor = self._base.vae_scale_factor
        denoiser = getattr(self._base, "unet", None) or self._base.transformer
        shape = (denoiser.config.in_channels, height // factor, width // factor)
        noise = torch.stack([torch.randn(shape, generator=one) for one in generators])
        return noise.to(self._base.device, self._base.dtype)

    def _truncates(self, prompt: str) -> bool:
        return any(
            len(tokenizer(prompt).input_ids) > tokenizer.model_max_length
            for pipeline in self._pipelines()
            for tokenizer in (pipeline.tokenizer, pipeline.tokenizer_2)
            if tokenizer is not None
        )

    @property
    def pipelines(self) -> dict[str, Any]:
        """The pipelines by role: ``base`` and, when there is one, ``refiner``."""
        found = {"base": self._base, "refiner": self._refiner}
        return {role: pipeline for role, pipeline in found.items() if pipeline is not None}

    def _pipelines(self) -> list[Any]:
        return list(self.pipelines.values())


def load(
    base: Path,
    refiner: Path | None,
    *,
    device: str,
    dtype: str,
    threads: int,
    batch_multiple: int,
    variant: str | None = None,
    recipe: PipelineRecipe = SDXL_RECIPE,
    executor: Executor | None = None,
) -> DiffusersEngine:
    """Loads the pipelines from local folders of safetensors; nothing is fetched.

    Args:
        base: Folder of a pipeline of the class that the recipe names.
        refiner: Folder of a ``StableDiffusionXLImg2ImgPipeline``; None: no refiner.
        device: torch device, for example ``cpu`` or ``cuda:0``.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        threads: Threads of one operation on the CPU.
        batch_multiple: Batches are padded to a multiple of this.
        variant: Variant of the weight files, for example ``fp16``.
        recipe: Class and scheduler of the base.
        executor: What computes the networks; None: PyTorch.

    Raises:
        PreconditionFailed: A folder is no such pipeline, the device is not there, or the executor
            cannot compute a network.
    """
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # Algorithms chosen by timing would differ from run to run.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.set_num_threads(threads)
    if device == "cpu":
        keep_memory()
    options = {
        "dtype": getattr(torch, dtype),
        "variant": variant,
        "use_safetensors": True,
        "local_files_only": True,
    }
    # The library's own watermark would change the pixels wherever its package is installed.
    xl = {**options, "add_watermarker": False}
    kind = _class(recipe.pipeline, DiffusionPipeline)
    try:
        pipelines = {
            "base": kind.from_pretrained(
                base,
                **(xl if "StableDiffusionXL" in recipe.pipeline else options),
                **_left_out(base),
            )
        }
        if refiner is not None:
            shared = {
                part: getattr(pipelines["base"], part)
                for part in _SHARED
                if _same_files(base / part, refiner / part)
            }
            pipelines["refiner"] = StableDiffusionXLImg2ImgPipeline.from_pretrained(
                refiner, **xl, **shared
            )
        if recipe.scheduler is not None:
            scheduler = _class(recipe.scheduler, diffusers.SchedulerMixin)
            for pipeline in pipelines.values():
                pipeline.scheduler = scheduler.from_config(
                    pipeline.scheduler.config, **recipe.scheduler_options
                )
        if executor is not None:
            take_over(pipelines, executor, device)
        for pipeline in pipelines.values():
            pipeline.to(device)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise PreconditionFailed(f"the pipelines cannot be loaded: {error}") from error
    digest = model_digest(base) if refiner is None else model_digest(base, refiner)
    return DiffusersEngine(
        pipelines["base"],
        pipelines.get("refiner"),
        recipe.identify(digest),
        threads,
        batch_multiple,
        executor,
    )


def _class(name: str, base: Any) -> Any:
    """The class of diffusers that is called ``name``.

    Raises:
        PreconditionFailed: There is none, or it is of another kind than ``base``.
    """
    found = getattr(diffusers, name, None)
    if not isinstance(found, type) or not issubclass(found, base):
        raise PreconditionFailed(f"diffusers has no {base.__name__} that is called {name}")
    return found


def _left_out(folder: Path) -> dict[str, None]:
    """Parts that a folder states to be without, as Stable Diffusion 3 may be without T5.

    diffusers takes their absence for a mistake unless it is told.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return {part: None for part, kind in index.items() if kind == [None, None]}


def _same_files(one: Path, other: Path) -> bool:
    """Whether two parts are the same, so that one copy in memory serves both pipelines."""
    return one.is_dir() and other.is_dir() and model_digest(one) == model_digest(other)
