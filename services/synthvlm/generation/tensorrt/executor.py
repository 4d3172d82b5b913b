"""The TensorRT executor: waits for a profile's engines, checks them, and runs them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.components import Component
from synthvlm.generation.diffusion.executed import Run
from synthvlm.generation.tensorrt.engine_sets import await_engines, engine_files
from synthvlm.generation.tensorrt.ranges import axis_ranges, latent_factor, shape_ranges
from synthvlm.generation.tensorrt.runtime import EngineRun, engine_tensors, require_component
from synthvlm.generation.tensorrt.sizes import BatchProfile
from synthvlm.generation.tensorrt.target import (
    Target,
    detect,
    engine_identity,
    tensorrt_library,
)
from synthvlm.model_folders import resolve_model
from synthvlm.storage import open_store, parse_location


def tensorrt_executor(settings: GenerationSettings) -> "TensorRtExecutor":
    """Waits for the engines that the settings need on this GPU, and loads them.

    Raises:
        PreconditionFailed: There is no GPU or no TensorRT, or there are no engines for this model,
            version, GPU, precision and batch; the message says what was expected and found.
        DataCorrupt: Stored engines are damaged.
    """
    if settings.tensorrt.store is None:
        raise PreconditionFailed("tensorrt.store is not set; it says where TensorRT engines are")
    pipeline = settings.pipeline
    target = detect(pipeline.device)
    wanted = engine_identity(settings, target)
    store = open_store(parse_location(settings.tensorrt.store))
    engines = await_engines(store, wanted, settings.tensorrt.wait_seconds)
    with tempfile.TemporaryDirectory(prefix="synthvlm-engines-") as folder:
        return TensorRtExecutor(
            engine_files(engines, Path(folder)),
            engines.ref.digest,
            wanted.batches,
            latent_factor(resolve_model(pipeline.model)),
            target,
            pipeline.device,
        )


class TensorRtExecutor:
    """Runs TensorRT engines.

    Args:
        files: Engines by component, for example ``base-unet``. They are read immediately.
        digest: Digest of the set. TensorRT chooses kernels by timing them, so two sets built for
            the same target may differ in the last bit of their results: it is part of ``numerics``.
        batches: Sizes that the engines were built for.
        factor: Pixels per latent, along a side.
        target: The GPU.
        device: Its torch device.

    Raises:
        PreconditionFailed: TensorRT rejects an engine.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        digest: str,
        batches: BatchProfile,
        factor: int,
        target: Target,
        device: str,
    ) -> None:
        self._batches = batches
        self._factor = factor
        self._device = device
        self.numerics: Mapping[str, str | int] = {
            "tensorrt": target.tensorrt,
            "sm": target.sm,
            "engines": digest,
        }
        self._library = tensorrt_library()
        self._logger = self._library.Logger(self._library.Logger.WARNING)
        # The runtime must outlive its engines.
        self._runtime = self._library.Runtime(self._logger)
        with torch.cuda.device(device):
            self._engines = {name: self._engine(file) for name, file in files.items()}

    def load(self, name: str, component: Component, module: Any) -> Run:
        """See ``Executor.load``."""
        engine = self._engines.get(name)
        if engine is None:
            raise PreconditionFailed(
                f"there is no TensorRT engine for {name}, only for {', '.join(self._engines)}; "
                f"rebuild them with `synthvlm engines build`"
            )
        axes = axis_ranges(component, self._batches, self._factor)
        tensors = engine_tensors(self._library, engine)
        ranges = shape_ranges(component.inputs, axes)
        require_component(name, tensors, component, module.dtype, ranges)
        return EngineRun(name, engine, tensors, self._device)

    def _engine(self, file: Path) -> Any:
        engine = self._runtime.deserialize_cuda_engine(file.read_bytes())
        if engine is None:
            raise PreconditionFailed(
                f"TensorRT {self._library.__version__} rejects the engine {file.name}; it was "
                f"built by a different version or for a different GPU. Rebuild it with "
                f"`synthvlm engines build`"
            )
        return engine
