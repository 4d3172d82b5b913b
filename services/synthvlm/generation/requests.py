"""The requests of the generation service, validated against the limits in the proto."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.limits import Fraction, Guidance, Side, Steps
from synthvlm.limits import MAX_PROMPT_BYTES
from synthvlm.serving.fields import (
    OptionalDigest,
    RequestId,
    RequestModel,
    Seed,
    ShardRefField,
    ShardStoreField,
    Utf8,
)


def _unset(value: Any) -> Any:
    """Zero means that the field is not set."""
    return None if value == 0 else value


_Unset = BeforeValidator(_unset)

Format = Annotated[
    Literal[
        "IMAGE_FORMAT_UNSPECIFIED", "IMAGE_FORMAT_JPEG", "IMAGE_FORMAT_PNG", "IMAGE_FORMAT_WEBP"
    ],
    Field(default="IMAGE_FORMAT_UNSPECIFIED"),
]
"""Name of a value of ``ImageFormat``."""


class SamplingParameters(RequestModel):
    """``SamplingParameters``; None and the empty string: the profile's value."""

    steps: Annotated[Steps | None, _Unset]
    guidance_scale: Annotated[Guidance | None, _Unset]
    high_noise_fraction: Annotated[Fraction | None, _Unset]
    width: Annotated[Side | None, _Unset]
    height: Annotated[Side | None, _Unset]
    negative_prompt: Annotated[str, Utf8(2048)]

    def completed(self, settings: GenerationSettings) -> Sampling:
        """The complete parameters.

        Raises:
            InvalidInput: Combined with the profile's values they exceed its limits.
        """
        given = {name: value for name, value in self.model_dump().items() if value}
        sampling = Sampling(**{**settings.sampling.to_json(), **given})
        violations = []
        if sampling.width * sampling.height > settings.max_pixels:
            problem = (
                f"{sampling.width} x {sampling.height} pixels exceed the limit of this service; "
                f"width times height must be at most {settings.max_pixels}"
            )
            violations += [FieldViolation(f"parameters.{name}", problem) for name in _SIZE]
        if settings.pipeline.executor == "tensorrt":
            violations += _other_sides(sampling, settings)
        if sampling.high_noise_fraction < 1 and settings.pipeline.refiner is None:
            violations.append(
                FieldViolation(
                    "parameters.high_noise_fraction",
                    "must be 1 or unset: this service has no refiner",
                )
            )
        if violations:
            raise InvalidInput(violations[0].description, violations)
        return sampling


_SIZE = ("width", "height")


def _other_sides(sampling: Sampling, settings: GenerationSettings) -> list[FieldViolation]:
    """Violations for sides without TensorRT engines."""
    violations = []
    for name in _SIZE:
        own, wanted = getattr(settings, name), getattr(sampling, name)
        least, most = settings.tensorrt.sides or (own, own)
        if not least <= wanted <= most:
            sides = f"{least} to {most}" if least < most else f"{own}"
            problem = f"this service's TensorRT engines accept {sides} pixels, not {wanted}"
            violations.append(FieldViolation(f"parameters.{name}", problem))
    return violations


def complete(parameters: SamplingParameters | None, settings: GenerationSettings) -> Sampling:
    """A request's parameters, with the profile's values for everything unset.

    Raises:
        InvalidInput: As ``SamplingParameters.completed``.
    """
    return settings.sampling if parameters is None else parameters.completed(settings)


def image_format(name: str) -> ImageFormat:
    """The format for a value of the proto's enum; JPEG if unspecified."""
    word = name.removeprefix("IMAGE_FORMAT_")
    return ImageFormat.JPEG if word == "UNSPECIFIED" else ImageFormat[word]


class GenerateImage(RequestModel):
    """``GenerateImageRequest``."""

    prompt: Annotated[str, Utf8(MAX_PROMPT_BYTES, min_bytes=1)]
    seed: Seed
    parameters: SamplingParameters | None
    format: Format
    request_id: RequestId


class GenerateShard(RequestModel):
    """``GenerateShardRequest``."""

    store: ShardStoreField
    caption_set: ShardRefField
    repeats: Annotated[int, Field(ge=0, le=100)]
    run_seed: Seed
    parameters: SamplingParameters | None
    format: Format
    model_digest: OptionalDigest
