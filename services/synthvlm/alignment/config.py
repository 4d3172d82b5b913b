"""Settings of the alignment service; the profile's section ``alignment`` holds the same keys."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from synthvlm.alignment.clip_score import PROMPT_PREFIX
from synthvlm.alignment.limits import ClipWeight, VlmSize
from synthvlm.alignment.weighted import Range, Weighting
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.serving.fields import Utf8
from synthvlm.serving.settings import ServiceSettings


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] < bounds[1]:
        raise ValueError("the first bound must be less than the second")
    return bounds


_Bound = Annotated[float, Field(allow_inf_nan=False)]
Bounds = Annotated[tuple[_Bound, _Bound], AfterValidator(_rising)]
"""The values of a score that are mapped to 0 and 1."""


class AlignmentSettings(ServiceSettings):
    """Settings of the alignment service."""

    engine: Literal["open_clip"] = "open_clip"
    """Engine that embeds images and texts: open_clip runs the model in this process."""
    model: str = "bundled:mini-clip"
    """The CLIP model: a folder in open_clip's or transformers' form, or bundled:NAME."""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    """Where the model runs: cpu, cuda, or cuda:1 for the second GPU. SSIM is computed there too if
    it is a GPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Threads per operation of the model on the CPU, and images decoded at the same time. Affects
    how sums are split, so the last bits of CLIPScore depend on it."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Maximum number of pairs scored in one batch."""
    batch_multiple: Annotated[int, Field(ge=1, le=256)] = 4
    """Batches are padded to a multiple of this, so that a score does not depend on its batch;
    batch_size must be a multiple of it. On a GPU, set it to batch_size."""
    prompt_prefix: Annotated[str, Utf8(256)] = PROMPT_PREFIX
    """Prefix of each caption for CLIPScore."""
    clip_weight: ClipWeight = 0.5
    """Weight of CLIPScore against SSIMScore, unless a request says otherwise."""
    clip_range: Bounds = (0.0, 0.5)
    """The CLIPScores that are mapped to 0 and 1 in the weighted score."""
    ssim_range: Bounds = (0.0, 1.0)
    """The SSIMScores that are mapped to 0 and 1 in the weighted score."""
    vlm_size: VlmSize = 336
    """Input size of the VLM in pixels, unless a request says otherwise."""
    reuse: ReuseSettings = ReuseSettings()
    """Where scores of other shards are found, so that none is made twice."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "AlignmentSettings":
        if self.batch_size % self.batch_multiple:
            raise ValueError("batch_size must be a multiple of batch_multiple")
        return self

    def weighting(self, clip_weight: float | None = None) -> Weighting:
        """How the weighted score is computed.

        Args:
            clip_weight: The request's value; None: that of the settings.
        """
        return Weighting(
            self.clip_weight if clip_weight is None else clip_weight,
            Range(*self.clip_range),
            Range(*self.ssim_range),
        )
