"""Applies the section ``pipeline.torch`` to loaded pipelines."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.torch.options import TorchSettings

_DENOISERS = ("unet", "transformer")
_KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
_SIZES = 64
"""Sizes of images and batches that may be compiled in one process. One more is an error: it would
be computed uncompiled, and with other bytes than after the next start."""

_COMPILATION: Mapping[str, Any] = {"fullgraph": True, "dynamic": False}
"""The whole of what is asked for, or an error; and code for the very sizes."""

_ALIGNMENT = 16
"""Rows and columns of a product in 8 bits are a multiple of this."""


def accelerate(pipelines: Iterable[Any], settings: TorchSettings) -> None:
    """Changes the networks of pipelines, on their device, to be computed as the settings say.

    Compilation takes place in the first batch of each size.

    Args:
        pipelines: Loaded pipelines; a network that they share is changed once.
        settings: The section, whose ``requirements`` are met.

    Raises:
        PreconditionFailed: A network is not made for one of the settings.
    """
    if settings.compiles:
        _prepare_compiler(settings)
    for name, network in list(_networks(pipelines)):
        if name in _DENOISERS:
            _accelerate_denoiser(name, network, settings)
        elif name == "vae":
            _accelerate_decoder(network, settings)


def attention_of(settings: TorchSettings) -> AbstractContextManager[Any]:
    """The context in which networks are computed: the preferred kernels of attention come first."""
    if settings.attention is None:
        return nullcontext()
    first = _KERNELS[settings.attention]
    return sdpa_kernel([first, *(one for one in _KERNELS.values() if one is not first)], True)


def _networks(pipelines: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    seen = set()
    for pipeline in pipelines:
        for name, network in pipeline.components.items():
            if isinstance(network, torch.nn.Module) and network not in seen:
                seen.add(network)
                yield name, network


def _prepare_compiler(settings: TorchSettings) -> None:
    if settings.compile_cache is not None:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(settings.compile_cache.resolve())
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    # Kernels chosen by timing would differ from start to start, and with them the images.
    inductor.deterministic = True
    dynamo.recompile_limit = _SIZES


def _accelerate_denoiser(name: str, network: Any, settings: TorchSettings) -> None:
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
        # Otherwise the second step's latents have other strides than the first's, and are compiled
        # for anew.
        network.register_forward_hook(_contiguous)
    if settings.fuse_qkv:
        if not hasattr(network, "fuse_qkv_projections"):
            raise PreconditionFailed(
                f"pipeline.torch.fuse_qkv: a {type(network).__name__} ({name}) cannot do that"
            )
        network.fuse_qkv_projections()
    if settings.fp8 == "linear":
        _quantize(network)
    match settings.compile_denoiser:
        case "whole":
            network.compile(**_COMPILATION)
        case "repeated_blocks":
            try:
                network.compile_repeated_blocks(**_COMPILATION)
            except ValueError as error:
                raise PreconditionFailed(
                    f"pipeline.torch.compile_denoiser repeated_blocks: {error}; compile it whole"
                ) from error


def _contiguous(_: Any, __: Any, outputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    (prediction,) = outputs  # pipelines ask for a tuple
    return (prediction.contiguous(),)


def _quantize(network: Any) -> None:
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        PerRow,
        quantize_,
    )

    def is_wanted(layer: Any, name: str) -> bool:
        return (
            isinstance(layer, torch.nn.Linear)
            and "transformer_blocks." in name
            and not layer.in_features % _ALIGNMENT
            and not layer.out_features % _ALIGNMENT
        )

    # A scale per row: a scale per tensor would make an image depend on its neighbours.
    quantize_(network, Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()), is_wanted)


def _accelerate_decoder(vae: Any, settings: TorchSettings) -> None:
    if settings.decoder_dtype is not None:
        _decode_in(vae, getattr(torch, settings.decoder_dtype))
    if settings.channels_last:
        vae.to(memory_format=torch.channels_last)
    if settings.slice_decoder:
        vae.enable_slicing()
    if settings.compile_decoder:
        vae.decoder.compile(**_COMPILATION)


def _decode_in(vae: Any, dtype: torch.dtype) -> None:
    """Sets the precision of a VAE for good; its images are float32.

    Raises:
        PreconditionFailed: The VAE's configuration says that it overflows in float16.
    """
    if dtype == torch.float16 and getattr(vae.config, "force_upcast", False):
        raise PreconditionFailed(
            "pipeline.torch.decoder_dtype float16: this VAE overflows in float16 (its "
            "configuration has force_upcast); use bfloat16, or weights that were fixed for float16"
        )
    vae.to(dtype)
    # Otherwise pipelines convert the weights before and after every batch.
    vae.register_to_config(force_upcast=False)
    decode = vae.decode

    def converted(latents: torch.Tensor, **rest: Any) -> tuple[torch.Tensor]:
        (image,) = decode(latents.to(dtype), **rest)  # pipelines ask for a tuple
        return (image.float(),)

    vae.decode = converted
