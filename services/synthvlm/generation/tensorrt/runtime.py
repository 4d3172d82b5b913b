"""Runs a TensorRT engine on an NVIDIA GPU.

Written for the Python API of TensorRT 11.4 (``tensorrt`` 11.4.0.106 on PyPI). Its networks are
strongly typed: precision is a property of the graph that an engine was built from, and there are no
builder flags for it.

An engine reads and writes PyTorch's tensors on the GPU by address. Its kernels run on a stream that
is synchronised with PyTorch's current one in both directions: nothing is copied, and nothing waits
on the CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.diffusion.components import Component, Tensors
from synthvlm.generation.tensorrt.ranges import ShapeRange

_DTYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "BOOL": torch.bool,
}
"""PyTorch types by the names of ``tensorrt.DataType``."""


@dataclass(frozen=True)
class EngineTensor:
    """An input or output of an engine, as reported by TensorRT.

    Attributes:
        dtype: Its data type; None: one that no component of a pipeline has.
        shapes: Shapes that it accepts; None for an output.
    """

    name: str
    dtype: torch.dtype | None
    shapes: ShapeRange | None = None


class EngineRun:
    """Runs one engine; not thread-safe.

    Args:
        name: The component, for messages.
        engine: The deserialised engine.
        tensors: Its inputs and outputs.
        device: torch device of the GPU.
    """

    def __init__(
        self, name: str, engine: Any, tensors: Sequence[EngineTensor], device: str
    ) -> None:
        self._name = name
        self._engine = engine
        self._device = torch.device(device)
        self._inputs = [tensor.name for tensor in tensors if tensor.shapes is not None]
        self._outputs = {t.name: t.dtype for t in tensors if t.shapes is None}
        # TensorRT synchronises the device around work on the default stream.
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with torch.cuda.device(self._device):
            self._context = engine.create_execution_context()
        if self._context is None:
            raise PreconditionFailed(
                f"the GPU does not have enough memory for the TensorRT engine of {name}; build "
                f"engines for a smaller batch_size"
            )
        if not self._context.set_optimization_profile_async(0, self._stream.cuda_stream):
            raise PreconditionFailed(f"the TensorRT engine of {name} has no optimisation profile")
        self._stream.synchronize()

    def __call__(self, inputs: Tensors) -> Tensors:
        """Starts the engine on the device; returns before it has finished.

        Raises:
            PreconditionFailed: A shape is outside the range that the engine was built for.
            RuntimeError: TensorRT failed.
        """
        with torch.cuda.device(self._device):
            return self._compute(inputs)

    def _compute(self, inputs: Tensors) -> Tensors:
        context, stream = self._context, self._stream
        current = torch.cuda.current_stream(self._device)
        given = {name: inputs[name].contiguous() for name in self._inputs}
        for name, tensor in given.items():
            if not context.set_input_shape(name, tuple(tensor.shape)):
                raise PreconditionFailed(
                    f"the TensorRT engine of {self._name} does not accept {name} of shape "
                    f"{tuple(tensor.shape)}; build engines for that batch and size"
                )
            context.set_tensor_address(name, tensor.data_ptr())
        made = {
            name: torch.empty(
                tuple(context.get_tensor_shape(name)), dtype=dtype, device=self._device
            )
            for name, dtype in self._outputs.items()
        }
        for name, tensor in made.items():
            context.set_tensor_address(name, tensor.data_ptr())
        stream.wait_stream(current)
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError(f"the TensorRT engine of {self._name} failed; its log says why")
        current.wait_stream(stream)
        for tensor in (*given.values(), *made.values()):
            tensor.record_stream(stream)  # keeps its memory until the engine is done
        return made


def engine_tensors(library: Any, engine: Any) -> list[EngineTensor]:
    """The inputs and outputs of an engine."""
    found = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dtype = _DTYPES.get(engine.get_tensor_dtype(name).name)
        if engine.get_tensor_mode(name) == library.TensorIOMode.INPUT:
            shapes = (tuple(shape) for shape in engine.get_tensor_profile_shape(name, 0))
            found.append(EngineTensor(name, dtype, ShapeRange(*shapes)))
        else:
            found.append(EngineTensor(name, dtype))
    return found


def require_component(
    name: str,
    tensors: Sequence[EngineTensor],
    component: Component,
    precision: torch.dtype,
    ranges: Mapping[str, ShapeRange],
) -> None:
    """Checks that an engine matches a component and accepts the required sizes.

    Inputs that the component does not read may be missing: tracing omits them.

    Args:
        name: The component, for the message.
        tensors: The engine's inputs and outputs.
        component: Its kind.
        precision: Its precision.
        ranges: Shapes that its inputs must accept, by name.

    Raises:
        PreconditionFailed: It does not; the message lists the differences.
    """
    shapes = {shape.name: shape for shape in (*component.inputs, *component.outputs)}
    outputs = {shape.name for shape in component.outputs}
    problems = [f"lacks the output {one}" for one in sorted(outputs - {t.name for t in tensors})]
    for tensor in tensors:
        expected = shapes.get(tensor.name)
        is_input = tensor.shapes is not None
        if expected is None or is_input == (tensor.name in outputs):
            problems.append(f"has {'an input' if is_input else 'an output'} {tensor.name}")
            continue
        dtype = expected.dtype or precision
        if tensor.dtype != dtype:
            problems.append(f"has {tensor.name} in {_name(tensor.dtype)}, not {_name(dtype)}")
        if is_input and tensor.shapes != ranges[tensor.name]:
            problems.append(f"accepts {tensor.name} of {tensor.shapes}, not {ranges[tensor.name]}")
    if problems:
        raise PreconditionFailed(
            f"the TensorRT engine of {name} does not match: it {'; it '.join(problems)}. "
            f"Rebuild it with `synthvlm engines build`"
        )


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")
