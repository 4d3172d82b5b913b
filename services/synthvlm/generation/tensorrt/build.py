"""Building plans on the GPU that will run them, and committing them as one set.

Written to the Python API of TensorRT 11.4; see ``executors/tensorrt.py``. TensorRT times kernels
while it builds, so two builds differ in their bytes: a set is not reproducible, unlike all other
shards. Its plans are therefore named by their digests, and of two jobs that build the same set at
the same time the one that commits first is right.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthvlm.errors import DataCorrupt, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.executors.export import difference, tolerance
from synthvlm.generation.executors.networks import DENOISERS, Network
from synthvlm.generation.executors.tensorrt import PlanRun, plan_tensors
from synthvlm.generation.loading import load_with
from synthvlm.generation.plans.cache import FILE, NETWORKS, opened
from synthvlm.generation.plans.exporting import ExportedNetwork, Exporter, Heard
from synthvlm.generation.plans.identity import PlanIdentity
from synthvlm.generation.plans.quantization import Calibration, quantize_graph, record_inputs
from synthvlm.generation.plans.ranges import (
    ShapeRange,
    axis_ranges,
    latent_factor,
    shape_ranges,
)
from synthvlm.generation.plans.target import Target, detect, plan_identity, tensorrt_library
from synthvlm.models import resolve_model
from synthvlm.storage import Commit, ShardRef, Store, file_digest

_WORKSPACE_BYTES = 8 << 30


@dataclass(frozen=True)
class Built:
    """A set of plans that is there now.

    Attributes:
        ref: The set.
        identity: What it was built for.
        found: Whether it had been built before.
    """

    ref: ShardRef
    identity: PlanIdentity
    found: bool


def build_plans(
    settings: GenerationSettings,
    store: Store,
    heard: Heard = lambda _: None,
    captions: Sequence[str] = (),
) -> Built:
    """Builds the plans of a profile for this machine's GPU, unless they are there.

    Args:
        settings: The profile's settings.
        store: Where plans are kept.
        heard: Told of every network when its plan is built.
        captions: What a quantisation is calibrated with.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: There is no GPU or no TensorRT, a network cannot be exported or built,
            or its plan differs from PyTorch.
    """
    target = detect(settings.device)
    identity = plan_identity(settings, target)
    commit = Commit(store, identity.key)
    if ref := commit.find():
        return Built(opened(store, ref, identity).ref, identity, found=True)
    calibration: Calibration = {}
    if settings.tensorrt_quantization is not None:
        calibration = record_inputs(load_with(settings, None, settings.device), settings, captions)
    with tempfile.TemporaryDirectory(prefix="synthvlm-engines-") as name:
        folder = Path(name)
        builder = _Builder(settings, identity, calibration)
        exporter = Exporter(folder, settings.threads, heard, builder.build)
        load_with(settings, exporter, "cpu")
        return Built(_commit(commit, target, exporter, builder), identity, found=False)


def _commit(commit: Commit, target: Target, exporter: Exporter, builder: "_Builder") -> ShardRef:
    files: dict[str, bytes | Path] = {}
    networks: dict[str, Any] = {}
    for one in exporter.networks:
        plan = builder.plans[one.name]
        name = f"{one.name}-{file_digest(plan).removeprefix('sha256:')[:16]}.plan"
        files[name] = plan
        networks[one.name] = {
            FILE: name,
            "kind": one.kind,
            "parameters": one.parameters,
            "precision": one.precision,
            "onnx_difference": one.difference,
            "plan_difference": builder.differences[one.name],
        }
    try:
        return commit.finish(
            files,
            records=len(files),
            details={"gpu": target.gpu, NETWORKS: networks},
        )
    except DataCorrupt:
        # Another job was first; what it committed is whole, or find() would not give it.
        if ref := commit.find():
            return ref
        raise


class _Builder:
    """Builds each network's plan as soon as it is exported.

    Attributes:
        plans: Files by ``role-part``.
        differences: Largest differences of the plans from PyTorch, at the best size.
    """

    def __init__(
        self, settings: GenerationSettings, identity: PlanIdentity, calibration: Calibration
    ) -> None:
        self._settings = settings
        self._batches = identity.batches
        self._factor = latent_factor(resolve_model(settings.model))
        self._calibration = calibration
        self.plans: dict[str, Path] = {}
        self.differences: dict[str, float] = {}

    def build(self, network: Network, module: Any, exported: ExportedNetwork) -> None:
        """Builds a plan, compares it with PyTorch on the GPU, and deletes the graph."""
        graph = exported.file
        quantization = self._settings.tensorrt_quantization
        quantized = quantization is not None and isinstance(network, DENOISERS)
        if quantization is not None and quantized:
            graph = quantize_graph(graph, quantization, self._calibration[exported.name])
        axes = axis_ranges(network, self._batches, self._factor)
        plan = graph.with_suffix(".plan")
        build_plan(graph, plan, shape_ranges(network.inputs, axes))
        self.plans[exported.name] = plan
        best = {axis: lengths.best for axis, lengths in axes.items()}
        found = self._difference(exported.name, network, module, plan, best)
        # A quantised network is another one by intent; how far it is off is only recorded.
        if not quantized and not found <= tolerance(module.dtype):
            raise PreconditionFailed(
                f"the TensorRT engine of {exported.name} differs from PyTorch by {found:.2g} of "
                f"its largest number; {tolerance(module.dtype):.2g} is allowed"
            )
        self.differences[exported.name] = found
        for file in graph.parent.glob(f"{exported.name}*"):  # graphs and weights fill the disk
            if file not in self.plans.values():
                file.unlink()

    def _difference(
        self, name: str, network: Network, module: Any, plan: Path, sizes: Mapping[str, int]
    ) -> float:
        device = self._settings.device
        library = tensorrt_library()
        runtime = library.Runtime(library.Logger(library.Logger.WARNING))
        with torch.cuda.device(device):
            engine = runtime.deserialize_cuda_engine(plan.read_bytes())
        run = PlanRun(name, engine, plan_tensors(library, engine), device)
        try:
            return difference(network, module.to(device), run, sizes, device)
        finally:
            module.to("cpu")


def build_plan(graph: Path, plan: Path, ranges: Mapping[str, ShapeRange]) -> None:
    """Builds one plan on the current GPU.

    Args:
        graph: The ONNX graph; its weights lie beside it.
        plan: Where the plan goes.
        ranges: Shapes that the inputs take, by name.

    Raises:
        PreconditionFailed: TensorRT cannot parse the graph or build the plan.
    """
    library = tensorrt_library()
    logger = library.Logger(library.Logger.WARNING)
    builder = library.Builder(logger)
    network = builder.create_network(0)  # strongly typed: since version 11 there is no other kind
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
        raise PreconditionFailed(f"TensorRT refuses the sizes for {graph.name}")
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise PreconditionFailed(f"TensorRT cannot build {graph.name}; its log says why")
    plan.write_bytes(built)
