"""The sizes for which engines are built: TensorRT's optimisation profiles in the domain's terms."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from synthvlm.generation.config import GenerationSettings


@dataclass(frozen=True)
class Range:
    """Lengths of an axis.

    Attributes:
        least: The minimum.
        best: The one that kernels are tuned for.
        most: The maximum.
    """

    least: int
    best: int
    most: int

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.best <= self.most:
            raise ValueError(
                f"{self.least} to {self.best} to {self.most} is not a range of lengths"
            )

    def scaled(self, numerator: int, denominator: int = 1) -> "Range":
        """Every length times a fraction.

        Raises:
            ValueError: A result is not a whole number.
        """
        lengths = (self.least, self.best, self.most)
        if any(length * numerator % denominator for length in lengths):
            raise ValueError(f"{lengths} times {numerator}/{denominator} are not whole numbers")
        return Range(*(length * numerator // denominator for length in lengths))


@dataclass(frozen=True)
class BatchProfile:
    """The batches of images that a set of engines accepts.

    Attributes:
        images: Images in a batch, after padding.
        width: Pixels.
        height: Pixels.
        guided: Whether guidance is the default: the denoiser then gets two samples per image.
    """

    images: Range
    width: Range
    height: Range
    guided: bool

    @property
    def denoised(self) -> Range:
        """Samples that the denoiser gets: one per image without guidance, two with it."""
        usual = 2 if self.guided else 1
        return Range(self.images.least, usual * self.images.best, 2 * self.images.most)

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values, for keys and manifests."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "BatchProfile":
        """Parses the result of ``to_json``.

        Raises:
            KeyError, TypeError, ValueError: ``value`` is not such a result.
        """
        axes = {name: Range(**value[name]) for name in ("images", "width", "height")}
        return cls(**axes, guided=bool(value["guided"]))

    def __str__(self) -> str:
        images, width, height = self.images, self.width, self.height
        return (
            f"{images.least}-{images.most} images of {width.least}-{width.most} x "
            f"{height.least}-{height.most} pixels, best {images.best} of {width.best} x "
            f"{height.best}{' with guidance' if self.guided else ''}"
        )


def batch_profile(settings: GenerationSettings) -> BatchProfile:
    """The batches that a service with these settings runs.

    Batches are padded to a multiple of ``batch_multiple``, so that is the smallest size. Sides may
    vary within ``tensorrt.sides``; without it every image has the profile's size.
    """
    width, height = settings.width, settings.height
    small, large = settings.tensorrt.sides or (None, None)
    return BatchProfile(
        images=Range(settings.pipeline.batch_multiple, settings.batch_size, settings.batch_size),
        width=Range(small or width, width, large or width),
        height=Range(small or height, height, large or height),
        guided=settings.guidance_scale > 1,
    )
