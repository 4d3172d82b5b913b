"""Building engines on the GPU that will run them, and committing them as one set.

Written for the Python API of TensorRT 11.4; see ``runtime.py``. TensorRT times kernels while it
builds, so two builds differ in their bytes: unlike all other shards, a set is not reproducible. Its
engines are therefore named by their digests, and of two jobs that build the same set at the same
time, the first to commit wins.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthvlm.errors import DataCorrupt, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.components import Component
from synthvlm.generation.diffusion.loading import load
from synthvlm.generation.onnx.check import difference, tolerance
from synthvlm.generation.onnx.exporter import ExportedComponent, Exporter, Heard
from synthvlm.generation.tensorrt.engine_sets import COMPONENTS, FILE, opened
from synthvlm.generation.tensorrt.identity import EngineIdentity
from synthvlm.generation.tensorrt.ranges import (
    ShapeRange,
    axis_ranges,
    latent_factor,
    shape_ranges,
)
from synthvlm.generation.tensorrt.runtime import EngineRun, engine_tensors
from synthvlm.generation.tensorrt.target import Target, engine_identity, tensorrt_library
from synthvlm.model_folders import resolve_model
from synthvlm.storage import Commit, ShardRef, Store, file_digest

_WORKSPACE_BYTES = 8 << 30
_SUFFIX = ".plan"  # as TensorRT and Triton call the file of an engine


@dataclass(frozen=True)
class Built:
    """A committed set of engines.

    Attributes:
        identity: What it was built for.
        found: Whether it had been built before.
    """

    ref: ShardRef
    identity: EngineIdentity
    found: bool


def build_engines(
    settings: GenerationSettings,
    target: Target,
    store: Store,
    heard: Heard = lambda _: None,
) -> Built:
    """Builds the engines of a profile for this machine's GPU, unless they exist.

    Args:
        settings: The profile's settings.
        target: This machine's GPU and TensorRT.
        store: Where engines are stored.
        heard: Called with each component whose engine has been built.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A component cannot be exported or built, or its engine differs from
            PyTorch.
    """
    pipeline = settings.pipeline
    identity = engine_identity(settings, target)
    commit = Commit(store, identity.key)
    if ref := commit.find():
        return Built(opened(store, ref, identity).ref, identity, found=True)
    with tempfile.TemporaryDirectory(prefix="synthvlm-engines-") as name:
        folder = Path(name)
        builder = _Builder(settings, identity)
        exporter = Exporter(folder, pipeline.threads, heard, builder.build)
        load(pipeline.in_torch("cpu"), exporter)
        return Built(_commit(commit, target, exporter, builder), identity, found=False)


def _commit(commit: Commit, target: Target, exporter: Exporter, builder: "_Builder") -> ShardRef:
    files: dict[str, bytes | Path] = {}
    components: dict[str, Any] = {}
    for one in exporter.components:
        engine = builder.engines[one.name]
        name = f"{one.name}-{file_digest(engine).removeprefix('sha256:')[:16]}{_SUFFIX}"
        files[name] = engine
        components[one.name] = {
            FILE: name,
            "kind": one.kind,
            "parameters": one.parameters,
            "precision": one.precision,
            "onnx_difference": one.difference,
            "engine_difference": builder.differences[one.name],
        }
    try:
        return commit.finish(
            files,
            records=len(files),
            details={"gpu": target.gpu, COMPONENTS: components},
        )
    except DataCorrupt:
        # Another job was first; what it committed is complete, or find() would not return it.
        if ref := commit.find():
            return ref
        raise


class _Builder:
    """Builds each component's engine as soon as it is exported.

    Attributes:
        engines: Files by component.
        differences: Largest difference of each engine from PyTorch, at the best size.
    """

    def __init__(self, settings: GenerationSettings, identity: EngineIdentity) -> None:
        self._settings = settings
        self._batches = identity.batches
        self._factor = latent_factor(resolve_model(settings.pipeline.model))
        self.engines: dict[str, Path] = {}
        self.differences: dict[str, float] = {}

    def build(self, component: Component, module: Any, exported: ExportedComponent) -> None:
        """Builds an engine, compares it with PyTorch on the GPU, and deletes the graph."""
        graph = exported.file
        axes = axis_ranges(component, self._batches, self._factor)
        engine = graph.with_suffix(_SUFFIX)
        build_engine(graph, engine, shape_ranges(component.inputs, axes))
        self.engines[exported.name] = engine
        best = {axis: lengths.best for axis, lengths in axes.items()}
        found = self._difference(exported.name, component, module, engine, best)
        if not found <= tolerance(module.dtype):  # also true for NaN
            raise PreconditionFailed(
                f"the TensorRT engine of {exported.name} differs from PyTorch by {found:.2g} of "
                f"its largest value; {tolerance(module.dtype):.2g} is allowed"
            )
        self.differences[exported.name] = found
        for file in graph.parent.glob(f"{exported.name}*"):  # graphs and weights fill the disk
            if file not in self.engines.values():
                file.unlink()

    def _difference(
        self, name: str, component: Component, module: Any, file: Path, sizes: Mapping[str, int]
    ) -> float:
        device = self._settings.pipeline.device
        library = tensorrt_library()
        runtime = library.Runtime(library.Logger(library.Logger.WARNING))
        with torch.cuda.device(device):
            engine = runtime.deserialize_cuda_engine(file.read_bytes())
        run = EngineRun(name, engine, engine_tensors(library, engine), device)
        try:
            return difference(component, module.to(device), run, sizes, device)
        finally:
            module.to("cpu")


def build_engine(graph: Path, engine: Path, ranges: Mapping[str, ShapeRange]) -> None:
    """Builds one engine on the current GPU.

    Args:
        graph: The ONNX graph; its weights are beside it.
        engine: The file to write.
        ranges: Shapes that the inputs accept, by name.

    Raises:
        PreconditionFailed: TensorRT cannot parse the graph or build the engine.
    """
    library = tensorrt_library()
    logger = library.Logger(library.Logger.WARNING)
    builder = library.Builder(logger)
    network = builder.create_network(0)  # always strongly typed since version 11
    parser = library.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        problems = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise PreconditionFailed(f"TensorRT cannot read {graph.name}: {'; '.join(problems)}")
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        name = network.get_input(index).name
        shapes = ranges[name]
        profile.set_shape(name, shapes.least, shapes.best, shapes.most)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    if config.add_optimization_profile(profile) < 0:
        raise PreconditionFailed(f"TensorRT rejects the sizes for {graph.name}")
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise PreconditionFailed(f"TensorRT cannot build {graph.name}; its log says why")
    engine.write_bytes(built)
