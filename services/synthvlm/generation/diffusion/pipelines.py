"""The pipelines in process: a base and SDXL's refiner.

The denoising loops are diffusers' own. This module provides their inputs: which part of the
schedule each pipeline denoises, one CPU generator per sample, the padding that makes an image
independent of its batch, and the callback that checks once per step whether to continue. A
component is an attribute of its pipeline (``unet``, ``text_encoder``, ``vae``…), so an executor can
replace it without a change here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, StableDiffusionXLImg2ImgPipeline

from synthvlm.generation.diffusion.embeddings import Embeddings
from synthvlm.generation.diffusion.guidance import GuidanceEnd
from synthvlm.generation.diffusion.layer_padding import SIDE, pad_layers
from synthvlm.generation.engine import ImageRequest, Sample, find_defect
from synthvlm.generation.identity import Numerics, numerics_of
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.torch.acceleration import attention_of
from synthvlm.progress import Reporter
from synthvlm.storage.batch_places import Places


class Pipelines:
    """A base pipeline and an optional refiner. One thread at a time may call them.

    Batch invariance: kernels choose the order of summation by the size of their inputs, so the same
    image differs in its last bits between a batch of 1 and a batch of 16. PyTorch on the CPU
    therefore pads the few layers of which that is true, and everything else pads every batch to a
    multiple of ``batch_multiple`` with copies of its first request, whose results are discarded.
    Where the last places of a batch compute otherwise than the others, they are reserved for images
    that drew them. ``docs/decisions/batch-invariance.md`` has the measurements.

    Args:
        base: Denoises from pure noise.
        refiner: Denoises the rest of the schedule; None if there is none.
        settings: The settings that they were loaded with.
        versions: What the executor adds to the numerics; None: PyTorch computes.
    """

    def __init__(
        self,
        base: DiffusionPipeline,
        refiner: StableDiffusionXLImg2ImgPipeline | None,
        settings: PipelineSettings,
        versions: Numerics | None = None,
    ) -> None:
        self.model_digest = settings.model_digest()
        self.numerics = numerics_of(settings, versions)
        self._base = base
        self._refiner = refiner
        self._threads = settings.threads
        self._multiple = settings.batch_multiple
        self._pads_layers = settings.pads_layers
        self._reserved = settings.reserved_places
        self._torch = settings.torch
        self._guidance = GuidanceEnd(settings.guidance_end)
        # A prompt's embedding must not depend on the place at which its image is computed.
        capacity = settings.cached_prompts or (2 * self._multiple if self._reserved else 0)
        is_xl = settings.class_name.startswith("StableDiffusionXL")
        self._embeddings = (
            Embeddings(capacity, self._multiple, self._reserved) if capacity and is_xl else None
        )
        for pipeline in self.by_role.values():
            pipeline.set_progress_bar_config(disable=True)
        if settings.pads_layers:
            pipelines = self.by_role.values()
            components = {part for one in pipelines for part in one.components.values()}
            for component in components:
                if isinstance(component, torch.nn.Module):
                    pad_layers(component)

    @property
    def by_role(self) -> dict[str, Any]:
        """The pipelines by role: ``base`` and, if there is one, ``refiner``."""
        found = {"base": self._base, "refiner": self._refiner}
        return {role: pipeline for role, pipeline in found.items() if pipeline is not None}

    def pad_batches(self) -> None:
        """Pads whole batches from now on. Where padding layers is enough, images stay the same."""
        self._pads_layers = False

    def generate(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Generates one batch, or as many as it takes where requests drew the same reserved place.

        Args:
            requests: One or more requests, all with the same sampling parameters.
            reporter: Polled in every denoising step.

        Returns:
            One sample per request, in order.

        Raises:
            OperationCancelled: The caller has gone.
            ValueError: The requests do not share their sampling parameters.
        """
        if len({request.sampling for request in requests}) != 1:
            raise ValueError("the requests of a batch must have the same sampling parameters")
        # OpenMP keeps this setting per thread, so it is set on every call.
        torch.set_num_threads(self._threads)
        total = self._multiple if self._reserved else len(requests)
        places = Places(total, self._reserved)
        drawn = [places.drawn(request.prompt, request.seed) for request in requests]
        samples: dict[int, Sample] = {}
        for batch in places.batches(drawn):
            samples.update(self._batch(requests, batch, reporter))
        return [samples[number] for number in range(len(requests))]

    def _batch(
        self, requests: Sequence[ImageRequest], batch: Mapping[int, int], reporter: Reporter
    ) -> dict[int, Sample]:
        """Samples of the requests whose numbers ``batch`` has by place, by number."""
        rows = max(batch) + 1
        sampling = requests[0].sampling
        if not (self._pads_layers and sampling.width % SIDE == sampling.height % SIDE == 0):
            rows += -rows % self._multiple
        copied = next(iter(batch.values()))
        padded = [requests[batch.get(place, copied)] for place in range(rows)]
        with attention_of(self._torch):
            images = self._run(padded, reporter)[list(batch)]
        # NaN passes through the pipeline's clamp, so that it can still be seen here.
        finite = torch.isfinite(images).flatten(1).all(1).tolist()
        pixels = (images.nan_to_num() * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return {
            number: Sample(
                pixels=(array := np.ascontiguousarray(one)),
                defect=find_defect(array, is_finite),
                truncated=self._truncates(requests[number].prompt),
            )
            for number, one, is_finite in zip(
                batch.values(), pixels.cpu().numpy(), finite, strict=True
            )
        }

    def _run(self, batch: Sequence[ImageRequest], reporter: Reporter) -> torch.Tensor:
        """Images as float32 of shape (batch, 3, height, width), 0 to 1."""
        sampling = batch[0].sampling
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in batch]

        def after_step(
            pipeline: Any, _: int, timestep: Any, given: dict[str, Any]
        ) -> dict[str, Any]:
            reporter.check()
            return self._guidance.after_step(pipeline, timestep, given)

        common: dict[str, Any] = {
            # Both pipelines set up the whole schedule, and each runs its part of it.
            "num_inference_steps": sampling.steps,
            "generator": generators,
            "callback_on_step_end": after_step,
            "callback_on_step_end_tensor_inputs": self._guidance.inputs,
        }
        refiner = self._refiner if sampling.high_noise_fraction < 1 else None
        # Only SDXL's pipelines, which have a refiner, can run a part of the schedule.
        end = {"denoising_end": sampling.high_noise_fraction} if refiner else {}
        reporter.check()
        images = self._base(
            **common,
            **self._conditions("base", batch, 0.0),
            **end,
            width=sampling.width,
            height=sampling.height,
            latents=self._noise(generators, sampling.width, sampling.height),
            output_type="latent" if refiner else "pt",
        ).images
        if refiner is not None:
            images = refiner(
                **common,
                **self._conditions("refiner", batch, sampling.high_noise_fraction),
                image=images,
                denoising_start=sampling.high_noise_fraction,
                output_type="pt",
            ).images
        result: torch.Tensor = images.float()
        return result

    def _conditions(self, role: str, batch: Sequence[ImageRequest], start: float) -> dict[str, Any]:
        """Prompts and guidance of a pipeline's call that starts at a fraction of the schedule."""
        sampling = batch[0].sampling
        prompts = [request.prompt for request in batch]
        # None is the model's own unconditional embedding; "" would override its choice.
        negative = sampling.negative_prompt or None
        scale = self._guidance.scale(self.by_role[role], sampling, start)
        if self._embeddings is not None:
            return {
                "guidance_scale": scale,
                **self._embeddings.of(role, self.by_role[role], prompts, negative, scale > 1),
            }
        return {
            "guidance_scale": scale,
            "prompt": prompts,
            "negative_prompt": None if negative is None else [negative] * len(batch),
        }

    def _noise(
        self, generators: Sequence[torch.Generator], width: int, height: int
    ) -> torch.Tensor:
        """Initial latents: drawn sample by sample on the CPU in float32, whatever the device."""
        factor = self._base.vae_scale_factor
        denoiser = getattr(self._base, "unet", None) or self._base.transformer
        shape = (denoiser.config.in_channels, height // factor, width // factor)
        noise = torch.stack([torch.randn(shape, generator=one) for one in generators])
        # The decoder, which the pipeline's own type is that of, may have another.
        return noise.to(self._base.device, denoiser.dtype)

    def _truncates(self, prompt: str) -> bool:
        return any(
            len(tokenizer(prompt).input_ids) > tokenizer.model_max_length
            for pipeline in self.by_role.values()
            for tokenizer in (pipeline.tokenizer, pipeline.tokenizer_2)
            if tokenizer is not None
        )
