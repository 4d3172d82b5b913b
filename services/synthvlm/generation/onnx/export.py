"""Networks as ONNX graphs, checked against PyTorch.

A graph has the precision of the module that it is exported from: TensorRT engines are strongly
typed, so there is no other place to choose it. Batch, height and width stay free.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import external_data_helper

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.executors.networks import BATCH, HEIGHT, TOKENS, WIDTH, WINDOW, Network

OPSET = 18
"""Version of ONNX's operators."""

TOLERANCE = 1e-3
"""Largest difference from PyTorch, relative to the largest number that PyTorch gives, in single
precision."""

_ROUNDINGS = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
_ROUNDINGS_ALLOWED = 40
"""In half precision PyTorch itself is that many roundings beside the truth: more cannot be asked
of another order of the same sums."""

_EXAMPLE = {BATCH: 2, HEIGHT: 16, WIDTH: 16, TOKENS: WINDOW}
_CHECKS = (_EXAMPLE, {BATCH: 3, HEIGHT: 8, WIDTH: 24, TOKENS: WINDOW})
"""The check is made at other sizes too: an axis that tracing froze would show."""

_SMALL = 1024
"""Bytes below which a tensor stays in the graph, where every tool finds it."""

_ALIGNMENT = 4096
"""Bytes to a multiple of which the weights of a tensor are laid, so that they can be mapped."""


class _Graph(torch.nn.Module):
    """The function that is exported, as the module that the exporter wants."""

    def __init__(self, network: Network, module: Any) -> None:
        super().__init__()
        self.module = module
        self._network = network

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._network.compute(self.module, *tensors)


def export(network: Network, module: Any, file: Path) -> None:
    """Writes a network as an ONNX graph; its weights go to one file beside it.

    Args:
        network: Its kind.
        module: The PyTorch module, on the CPU.
        file: The graph; the weights are in ``file`` with the suffix ``.weights``.
    """
    shapes = (*network.inputs, *network.outputs)
    with warnings.catch_warnings(), torch.no_grad(), _typed_attention(module):
        # The exporter by tracing warns of itself and of every shape that it reads.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Graph(network, module).eval(),
            tuple(shape.example(_EXAMPLE, module.dtype) for shape in network.inputs),
            str(file),
            input_names=[shape.name for shape in network.inputs],
            output_names=[shape.name for shape in network.outputs],
            dynamic_axes={
                shape.name: {i: a for i, a in enumerate(shape.axes) if isinstance(a, str)}
                for shape in shapes
            },
            opset_version=OPSET,
            dynamo=False,
        )
    _gather_weights(file)


@contextmanager
def _typed_attention(module: Any) -> Iterator[None]:
    """Lets a text encoder in half precision spell its attention out while the context lasts.

    The exporter gives the causal mask of the fused attention in single precision, and with it all
    that follows: a graph that mixes types, which neither ONNX Runtime nor TensorRT takes.
    """
    if not hasattr(module, "set_attn_implementation") or module.dtype == torch.float32:
        yield
        return
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def _gather_weights(file: Path) -> None:
    """Moves the weights of a graph to one file beside it, tensor by tensor.

    The exporter leaves those of a small graph in it, and those of one over 2 GB in a file each.
    """
    model = onnx.load(file, load_external_data=False)
    together = weights_of(file)
    scattered = set()
    with together.open("wb") as weights:
        for tensor in model.graph.initializer:
            if external_data_helper.uses_external_data(tensor):
                source = file.parent / external_data_helper.ExternalDataInfo(tensor).location
                data = source.read_bytes()
                scattered.add(source)
            elif len(tensor.raw_data) < _SMALL:  # shapes and the like; also what is no bytes at all
                continue
            else:
                data = tensor.raw_data
            weights.write(bytes(-weights.tell() % _ALIGNMENT))
            offset = weights.tell()
            weights.write(data)
            tensor.raw_data = b""
            external_data_helper.set_external_data(tensor, together.name, offset, len(data))
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
    onnx.save_model(model, file)
    for source in scattered:
        source.unlink()


def weights_of(file: Path) -> Path:
    """The file of a graph's weights."""
    return file.with_suffix(".weights")


def tolerance(precision: torch.dtype) -> float:
    """Largest difference from PyTorch that is allowed in a precision."""
    return max(TOLERANCE, _ROUNDINGS_ALLOWED * _ROUNDINGS.get(precision, 0.0))


def check(
    network: Network,
    module: Any,
    run: Any,
    sizes: Sequence[Mapping[str, int]] = _CHECKS,
    device: str = "cpu",
) -> float:
    """Compares an executor with PyTorch.

    Args:
        network: The kind of network.
        module: The PyTorch module, on ``device``.
        run: What the executor made of it.
        sizes: Lengths of the named axes, one comparison each; several batches and sizes by default.
        device: Where the tensors are that both get.

    Returns:
        The largest difference, relative to the largest number that PyTorch gives.

    Raises:
        PreconditionFailed: It is more than the ``tolerance`` of the module's precision.
    """
    allowed = tolerance(module.dtype)
    found = [difference(network, module, run, one, device) for one in sizes]
    worst = max(found)
    if not all(one <= allowed for one in found):  # NaN is not
        raise PreconditionFailed(
            f"the executed {type(module).__name__} differs from PyTorch by {worst:.2g} of its "
            f"largest number; {allowed:.2g} is allowed"
        )
    return worst


def difference(
    network: Network, module: Any, run: Any, sizes: Mapping[str, int], device: str = "cpu"
) -> float:
    """The largest difference from PyTorch, as ``check`` measures it, at one size."""
    inputs = {shape.name: shape.example(sizes, module.dtype).to(device) for shape in network.inputs}
    outputs = run(inputs)
    with torch.no_grad():
        expected = network.compute(module.eval(), *inputs.values())
    differences = []
    for shape, tensor in zip(network.outputs, expected, strict=True):
        largest = tensor.float().abs().max().clamp(min=1e-6)
        differences.append((outputs[shape.name].float() - tensor.float()).abs().max() / largest)
    return float(torch.stack(differences).max())
