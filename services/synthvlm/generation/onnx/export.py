"""Components as ONNX graphs.

A graph has the precision of the module that it is exported from: TensorRT engines are strongly
typed, so there is no other place to choose it. Batch, height and width are dynamic.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import external_data_helper

from synthvlm.generation.diffusion.components import BATCH, HEIGHT, TOKENS, WIDTH, WINDOW, Component

OPSET = 18
"""Version of the ONNX operator set."""

EXAMPLE = {BATCH: 2, HEIGHT: 16, WIDTH: 16, TOKENS: WINDOW}
"""Sizes of the tensors that a component is traced with."""

_SMALL = 1024
"""Tensors smaller than this, in bytes, stay in the graph, where every tool finds them."""

_ALIGNMENT = 4096
"""Alignment of each tensor's weights in bytes, so that they can be memory-mapped."""


class _Graph(torch.nn.Module):
    """The exported function as a module, which the exporter needs."""

    def __init__(self, component: Component, module: Any) -> None:
        super().__init__()
        self.module = module
        self._component = component

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._component.compute(self.module, *tensors)


def export(component: Component, module: Any, file: Path) -> None:
    """Writes a component as an ONNX graph; its weights go to one file beside it.

    Args:
        component: Its kind.
        module: The PyTorch module, on the CPU.
        file: The graph; the weights are in ``file`` with the suffix ``.weights``.
    """
    shapes = (*component.inputs, *component.outputs)
    with warnings.catch_warnings(), torch.no_grad(), _typed_attention(module):
        # The tracing exporter warns that it is deprecated, and of every shape that it reads.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Graph(component, module).eval(),
            tuple(shape.example(EXAMPLE, module.dtype) for shape in component.inputs),
            str(file),
            input_names=[shape.name for shape in component.inputs],
            output_names=[shape.name for shape in component.outputs],
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
    """Makes a text encoder in half precision compute attention step by step within the context.

    The exporter writes the causal mask of fused attention in single precision, and so everything
    after it: a graph of mixed types, which neither ONNX Runtime nor TensorRT accepts.
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

    The exporter leaves weights in a small graph, and writes one file per tensor for graphs over
    2 GB.
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
            elif len(tensor.raw_data) < _SMALL:  # shapes and the like, and tensors without raw data
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
