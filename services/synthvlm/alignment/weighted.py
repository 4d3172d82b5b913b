"""The weighted score: the weighted mean of both scores on a common scale."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """The values of a score that map to 0 and 1; fixed, so that shards can be compared."""

    low: float
    high: float

    def scale(self, value: float) -> float:
        """``value`` on a scale from 0 to 1, clipped."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True)
class Weighting:
    """How the weighted score is computed.

    Attributes:
        clip_weight: Weight of CLIPScore against SSIMScore (the paper's lambda), 0 to 1.
    """

    clip_weight: float
    clip_range: Range
    ssim_range: Range

    def score(self, clip_score: float, ssim_score: float) -> float:
        """The weighted score, 0 to 1."""
        clip = self.clip_range.scale(clip_score)
        ssim = self.ssim_range.scale(ssim_score)
        return self.clip_weight * clip + (1 - self.clip_weight) * ssim
