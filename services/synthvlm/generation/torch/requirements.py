"""What a device, and the libraries beside it, must have for settings of ``pipeline.torch``."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.torch.options import TorchSettings

TURING, AMPERE, ADA = (7, 0), (8, 0), (8, 9)
"""Least compute capabilities: of Triton's kernels, of flash attention, and of products in fp8."""

_HALF = "float16 or bfloat16, and a GPU of compute capability 8.0"


@dataclass(frozen=True)
class Device:
    """What there is to compute with.

    Attributes:
        name: As people know it.
        capability: CUDA's compute capability; None: a CPU.
    """

    name: str
    capability: tuple[int, int] | None

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.capability is not None

    def has(self, capability: tuple[int, int]) -> bool:
        """Whether it is a GPU of at least this compute capability."""
        return self.capability is not None and self.capability >= capability


def device_of(name: str) -> Device:
    """The device of a torch name such as ``cuda:1``."""
    if name == "cpu":
        return Device("the CPU", None)
    return Device(torch.cuda.get_device_name(name), torch.cuda.get_device_capability(name))


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(package) is not None


def require(
    settings: TorchSettings,
    device: Device,
    dtype: torch.dtype,
    has: Callable[[str], bool] = is_installed,
) -> None:
    """Checks that the device can do what the settings say.

    Args:
        settings: The section ``pipeline.torch``.
        device: Where the networks run.
        dtype: The pipeline's precision.
        has: Whether a package is installed.

    Raises:
        PreconditionFailed: It cannot; the message names each setting and what it needs.
    """
    problems = [*_compilation(settings, device, has), *_kernels(settings, device, dtype, has)]
    if problems:
        raise PreconditionFailed(
            f"{device.name} cannot do what the profile asks for: {'; '.join(problems)}"
        )


def _compilation(
    settings: TorchSettings, device: Device, has: Callable[[str], bool]
) -> Iterator[str]:
    setting = "compile_decoder" if settings.compile_denoiser == "none" else "compile_denoiser"
    if settings.compiles and device.is_gpu and not (has("triton") and device.has(TURING)):
        yield f"pipeline.torch.{setting} needs Triton and a compute capability of 7.0"
    compiler = os.environ.get("CXX", "g++")
    if settings.compiles and not device.is_gpu and shutil.which(compiler) is None:
        yield f"pipeline.torch.{setting} needs a C++ compiler, and there is no {compiler}"
    if settings.compile_cache is not None and (problem := _unwritable(settings.compile_cache)):
        yield f"pipeline.torch.compile_cache cannot be written ({problem})"


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be kept in a folder; None if something can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return str(error)


def _kernels(
    settings: TorchSettings, device: Device, dtype: torch.dtype, has: Callable[[str], bool]
) -> Iterator[str]:
    half = dtype in (torch.float16, torch.bfloat16)
    match settings.attention:
        case "flash" if device.is_gpu and not (device.has(AMPERE) and half):
            yield f"pipeline.torch.attention flash needs {_HALF}"
        case "cudnn" if not (device.has(AMPERE) and half):
            yield f"pipeline.torch.attention cudnn needs {_HALF}"
        case "efficient" if not device.is_gpu:
            yield "pipeline.torch.attention efficient needs a GPU"
    if settings.fp8 is not None:
        if not (device.has(ADA) and dtype == torch.bfloat16):
            yield "pipeline.torch.fp8 needs bfloat16, and a GPU of compute capability 8.9"
        if not has("torchao"):
            yield "pipeline.torch.fp8 needs the package torchao (pip install torchao)"
