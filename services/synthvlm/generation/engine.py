"""What an engine does, in the domain's terms; the engines themselves are in ``engines/``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synthvlm.progress import Reporter

NOT_FINITE = "not_finite"
"""Defect: the networks produced NaN, for example because a half-precision VAE overflowed."""

BLANK = "blank"
"""Defect: every pixel of the image has the same colour, as black as after a silent overflow."""


@dataclass(frozen=True)
class Sampling:
    """Complete sampling parameters.

    The two fractions are kept as the shortest decimal that gives the proto's 32-bit float, so that
    0.8 from a profile and 0.8 from a request are one number, one key and one image.

    Attributes:
        steps: Denoising steps of base and refiner together.
        guidance_scale: Classifier-free guidance scale; 1 or less switches guidance off.
        high_noise_fraction: Part of the noise schedule that the base denoises before the refiner
            takes over; 1 leaves the refiner out.
        width: Pixels, a multiple of 8.
        height: Pixels, a multiple of 8.
        negative_prompt: What the image must not show. Empty: the model's own unconditional
            embedding (zeros or that of an empty prompt, as its configuration says).
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

    def to_json(self) -> dict[str, Any]:
        """The parameters as JSON values, for keys and manifests."""
        return asdict(self)


@dataclass(frozen=True)
class ImageRequest:
    """One image to synthesise.

    Attributes:
        prompt: The caption. What exceeds the text encoders' window (77 tokens) is cut off, as the
            reference implementation does.
        seed: Seed of the initial noise, 0 to 2^63-1.
        sampling: The parameters.
    """

    prompt: str
    seed: int
    sampling: Sampling


@dataclass(frozen=True, eq=False)
class Sample:
    """What an engine made of one request.

    Attributes:
        pixels: uint8 RGB of shape (height, width, 3).
        defect: Why the pixels are not an image (``NOT_FINITE``, ``BLANK``); None when they are.
        truncated: Whether the prompt was longer than the text encoders' window.
    """

    pixels: npt.NDArray[np.uint8]
    defect: str | None = None
    truncated: bool = False


class Engine(Protocol):
    """Synthesises images for all calls of a service, which share it from many threads.

    An image depends on its request, ``model_digest`` and ``numerics`` only: never on the other
    images of its batch, on their number, or on what was made before.
    """

    @property
    def name(self) -> str:
        """The engine's name in profiles, for example ``diffusers``."""

    @property
    def model_digest(self) -> str:
        """``sha256:`` digest of the files of base and refiner."""

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """Everything besides model and request that the last bit of an image depends on.

        Engines that give the same bytes have equal numerics; they are part of a shard's key.
        """

    @property
    def batch_size(self) -> int:
        """Images in one batch, at most."""

    def image(self, request: ImageRequest, reporter: Reporter) -> Sample:
        """One image; it may share a batch with those of other callers. Blocks.

        Args:
            request: The image.
            reporter: Asked while the image is waited for.

        Raises:
            OperationCancelled: The caller has gone.
            QueueFull: Too many wait already.
            Unavailable: Nothing can synthesise now.
        """

    def batch(self, requests: Sequence[ImageRequest], reporter: Reporter) -> list[Sample]:
        """A batch of a shard; waits for its turn. Blocks.

        Args:
            requests: One to ``batch_size`` requests, all with the same sampling parameters.
            reporter: Asked while the images are waited for.

        Returns:
            One sample a request, in order.

        Raises:
            OperationCancelled: The caller has gone.
            Unavailable: Nothing can synthesise now.
        """

    def close(self) -> None:
        """Ends what the engine holds, after the last call."""


def find_defect(pixels: npt.NDArray[np.uint8], finite: bool) -> str | None:
    """Why ``pixels`` are not an image; None when they may be one.

    Args:
        pixels: uint8 of shape (height, width, 3).
        finite: Whether the numbers that they were rounded from were finite.
    """
    if not finite:
        return NOT_FINITE
    if np.all(pixels == pixels[0, 0]):
        return BLANK
    return None
