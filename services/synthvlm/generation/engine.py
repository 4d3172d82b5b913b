"""The interface of an engine; the implementations are in ``engines/``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synthvlm.progress import Reporter

NOT_FINITE = "not_finite"
"""Defect: the networks produced NaN, for example because a half-precision VAE overflowed."""

BLANK = "blank"
"""Defect: every pixel has the same colour, for example black after a silent overflow."""


@dataclass(frozen=True)
class Sampling:
    """Complete sampling parameters.

    Both fractions are stored as the shortest decimal that represents the proto's 32-bit float, so
    that 0.8 from a profile and 0.8 from a request are one number, one key and one image.

    Attributes:
        steps: Denoising steps of base and refiner together.
        guidance_scale: Classifier-free guidance scale; 1 or less switches guidance off.
        high_noise_fraction: Fraction of the noise schedule that the base denoises before the
            refiner takes over; 1 skips the refiner.
        width: Pixels, a multiple of 8.
        height: Pixels, a multiple of 8.
        negative_prompt: What the image must not show. Empty: the model's own unconditional
            embedding (zeros or that of an empty prompt, depending on its configuration).
    """

    steps: int
    guidance_scale: float
    high_noise_fraction: float
    width: int
    height: int
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        for name in ("guidance_scale", "high_noise_fraction"):
            object.__setattr__(self, name, float(str(np.float32(getattr(self, name)))))

    def shortened(self) -> "Sampling":
        """As few steps as still reach every component that these do."""
        refines = self.high_noise_fraction < 1
        return replace(self, steps=2, high_noise_fraction=0.5 if refines else 1.0)

    def to_json(self) -> dict[str, Any]:
        """The parameters as JSON values, for keys and manifests."""
        return asdict(self)


@dataclass(frozen=True)
class ImageRequest:
    """One image to generate.

    Attributes:
        prompt: The caption. It is truncated to the text encoders' window (77 tokens), as in the
            reference implementation.
        seed: Seed of the initial noise, 0 to 2^63-1.
    """

    prompt: str
    seed: int
    sampling: Sampling


@dataclass(frozen=True, eq=False)
class Sample:
    """The result of one request.

    Attributes:
        pixels: uint8 RGB of shape (height, width, 3).
        defect: Why the pixels are not an image (``NOT_FINITE``, ``BLANK``); None if they are.
        truncated: Whether the prompt was longer than the text encoders' window.
        seconds: The device's time for it: that of its batch, divided among the batch's images.
    """

    pixels: npt.NDArray[np.uint8]
    defect: str | None = None
    truncated: bool = False
    seconds: float = 0.0


class Engine(Protocol):
    """Generates images for all calls of a service, from many threads.

    An image depends only on its request, ``model_digest`` and ``numerics``: never on the rest of
    its batch, the batch's size, or earlier calls.
    """

    @property
    def name(self) -> str:
        """The engine's name in profiles, for example ``diffusers``."""

    @property
    def model_digest(self) -> str:
        """``sha256:`` digest of the files of base and refiner."""

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """Everything besides model and request that affects the last bit of an image.

        Part of a shard's key: engines with equal numerics produce the same bytes.
        """

    @property
    def batch_size(self) -> int:
        """Maximum number of images in a batch."""

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """Generates one image, possibly in a batch with those of other callers. Blocks.

        Raises:
            OperationCancelled: The caller has gone.
            QueueFull: Too many requests are waiting.
            Unavailable: No image can be generated now.
        """

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """Generates a batch of a shard, when its turn comes. Blocks.

        Args:
            requests: One to ``batch_size`` requests, all with the same sampling parameters. Those
                that do not fit into one batch, because they drew the same reserved place, are
                computed one batch after another.
            reporter: Checked while waiting for the images.

        Returns:
            One sample per request, in order.

        Raises:
            OperationCancelled: The caller has gone.
            Unavailable: No image can be generated now.
        """

    def close(self) -> None:
        """Releases the engine's resources, after the last call."""


def timed(samples: Sequence[Sample], seconds: float) -> list[Sample]:
    """The samples of a batch that a device computed in ``seconds``."""
    return [replace(sample, seconds=seconds / len(samples)) for sample in samples]


def find_defect(pixels: npt.NDArray[np.uint8], finite: bool) -> str | None:
    """Why ``pixels`` are not an image; None if they may be one.

    Args:
        pixels: uint8 of shape (height, width, 3).
        finite: Whether the values before rounding were finite.
    """
    if not finite:
        return NOT_FINITE
    if np.all(pixels == pixels[0, 0]):
        return BLANK
    return None
