"""The GPU and TensorRT that engines run on, and the resulting identity of a profile's engines."""

from dataclasses import dataclass
from typing import Any

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.tensorrt.identity import EngineIdentity
from synthvlm.generation.tensorrt.sizes import batch_profile

API = 11
"""Major version of TensorRT whose Python API the code uses."""


@dataclass(frozen=True)
class Target:
    """A GPU and its version of TensorRT.

    Attributes:
        tensorrt: Version of TensorRT.
        sm: Compute capability, for example ``9.0``.
        gpu: Name of the GPU.
    """

    tensorrt: str
    sm: str
    gpu: str


def tensorrt_library() -> Any:
    """The Python package of TensorRT.

    Raises:
        PreconditionFailed: It is not installed, cannot be loaded, or has another major version.
    """
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        raise PreconditionFailed(
            f"the executor tensorrt needs the Python package tensorrt, version {API}, and the "
            f"NVIDIA driver: {error}"
        ) from error
    if tensorrt.__version__.partition(".")[0] != str(API):
        raise PreconditionFailed(
            f"TensorRT {tensorrt.__version__} is installed; version {API} is needed"
        )
    return tensorrt


def detect(device: str) -> Target:
    """The GPU of this machine and its TensorRT.

    Args:
        device: torch device, for example ``cuda:0``.

    Raises:
        PreconditionFailed: TensorRT or the GPU is missing.
    """
    tensorrt = tensorrt_library()
    import torch

    if not torch.cuda.is_available():
        raise PreconditionFailed("TensorRT needs an NVIDIA GPU, but PyTorch finds none")
    major, minor = torch.cuda.get_device_capability(device)
    return Target(tensorrt.__version__, f"{major}.{minor}", torch.cuda.get_device_name(device))


def engine_identity(settings: GenerationSettings, target: Target) -> EngineIdentity:
    """What the engines of a profile must be built for on a target.

    The digest covers only the files: another scheduler runs the same components.

    Raises:
        NotFound: A model folder does not exist.
    """
    return EngineIdentity(
        model_digest=settings.pipeline.files_digest(),
        tensorrt=target.tensorrt,
        sm=target.sm,
        precision=settings.pipeline.dtype,
        batches=batch_profile(settings),
    )
