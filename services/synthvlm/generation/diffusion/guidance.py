"""Leaving guidance out of the end of a schedule (Kynkäänniemi et al. 2024, arXiv 2404.07724).

The paper applies guidance within an interval of noise levels. Only its end is left out here: the
steps of least noise, where guidance changes an image least. Without guidance the denoising network
gets one sample per image, not two.
"""

from typing import Any

from synthvlm.generation.engine import Sampling

_CONDITIONS = ("prompt_embeds", "add_text_embeds", "add_time_ids")
"""Tensors of SDXL's denoising loops whose first half is the unconditional one."""


class GuidanceEnd:
    """Ends guidance within a call of one of SDXL's pipelines.

    Args:
        fraction: Fraction of the noise schedule after which there is none; 1: there is always.
    """

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction
        self.inputs = list(_CONDITIONS) if fraction < 1 else []
        """What the pipeline's callback must be given."""

    def scale(self, pipeline: Any, sampling: Sampling, start: float) -> float:
        """The guidance scale of a call that starts at a fraction of the noise schedule."""
        if self._fraction == 1:
            return sampling.guidance_scale
        pipeline.scheduler.set_timesteps(sampling.steps)
        begin = self._timestep(pipeline, start)
        first = next((one for one in pipeline.scheduler.timesteps.tolist() if one < begin), begin)
        return sampling.guidance_scale if first >= self._timestep(pipeline, self._fraction) else 1.0

    def after_step(self, pipeline: Any, timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        """What the pipeline's callback returns after a step."""
        if self._fraction == 1 or not pipeline.do_classifier_free_guidance:
            return {}
        schedule = pipeline.scheduler.timesteps
        following = schedule[schedule < timestep]
        if not len(following) or float(following[0]) >= self._timestep(pipeline, self._fraction):
            return {}
        pipeline._guidance_scale = 1.0
        return {name: given[name].chunk(2)[1] for name in self.inputs}

    def _timestep(self, pipeline: Any, fraction: float) -> int:
        """Steps of at least this timestep are before a fraction, as for ``denoising_end``."""
        trained = pipeline.scheduler.config.num_train_timesteps
        return round(int(trained) - fraction * int(trained))
