"""The ranges of a component's tensors under a batch profile."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.diffusion.components import (
    BATCH,
    HEIGHT,
    TOKENS,
    WIDTH,
    WINDOW,
    Component,
    Decoder,
    T5Encoder,
    TensorShape,
    TextEncoder,
)
from synthvlm.generation.tensorrt.sizes import BatchProfile, Range

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ShapeRange:
    """Shapes that an input accepts: minimum, the one that kernels are tuned for, maximum."""

    least: Shape
    best: Shape
    most: Shape


def axis_ranges(component: Component, batches: BatchProfile, factor: int) -> dict[str, Range]:
    """Ranges of the dynamic axes of a component.

    Text encoders and decoders get one sample per image; the denoiser one or, with guidance, two.

    Args:
        component: Its kind.
        batches: Sizes of batches and images.
        factor: Pixels per latent, along a side.

    Raises:
        PreconditionFailed: A side is not a multiple of ``factor``.
    """
    once = isinstance(component, TextEncoder | T5Encoder | Decoder)
    try:
        return {
            BATCH: batches.images if once else batches.denoised,
            HEIGHT: batches.height.scaled(1, factor),
            WIDTH: batches.width.scaled(1, factor),
            TOKENS: Range(WINDOW, WINDOW, WINDOW),
        }
    except ValueError as error:
        raise PreconditionFailed(f"sides must be multiples of {factor} pixels: {error}") from error


def shape_ranges(
    inputs: tuple[TensorShape, ...], axes: Mapping[str, Range]
) -> dict[str, ShapeRange]:
    """Shape ranges of the inputs, by name."""

    def shape(tensor: TensorShape, bound: str) -> Shape:
        return tuple(
            getattr(axes[axis], bound) if isinstance(axis, str) else axis for axis in tensor.axes
        )

    return {
        tensor.name: ShapeRange(
            shape(tensor, "least"), shape(tensor, "best"), shape(tensor, "most")
        )
        for tensor in inputs
    }


def latent_factor(model: Path) -> int:
    """Pixels per latent along a side, from the configuration of a model's VAE.

    Raises:
        PreconditionFailed: The folder has no VAE with such a configuration.
    """
    try:
        config = json.loads((model / "vae" / "config.json").read_text(encoding="utf-8"))
        return int(2 ** (len(config["block_out_channels"]) - 1))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PreconditionFailed(f"{model} has no readable VAE configuration: {error}") from error
