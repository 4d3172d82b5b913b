"""Components computed by ONNX Runtime on the CPU."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from synthvlm.generation.diffusion.components import Component, Tensors
from synthvlm.generation.diffusion.executed import Run
from synthvlm.generation.onnx.check import check
from synthvlm.generation.onnx.export import export


class OnnxRuntimeExecutor:
    """Exports each component when it is loaded, checks it against PyTorch, and computes it.

    Args:
        threads: Threads per operation.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.numerics: Mapping[str, str | int] = {"onnxruntime": onnxruntime.__version__}

    def load(self, name: str, component: Component, module: Any) -> Run:
        """See ``Executor.load``."""
        with tempfile.TemporaryDirectory(prefix="synthvlm-onnx-") as folder:
            file = Path(folder) / f"{name}.onnx"
            export(component, module, file)
            run = graph_run(file, component, self._threads)
        check(component, module, run)
        return run


def graph_run(file: Path, component: Component, threads: int) -> Run:
    """Loads an exported graph to compute it on the CPU; its files are no longer needed afterwards.

    Args:
        file: The graph.
        component: Its kind.
        threads: Threads per operation.
    """
    session = onnxruntime.InferenceSession(
        file, _options(threads), providers=["CPUExecutionProvider"]
    )
    outputs = [shape.name for shape in component.outputs]

    def run(inputs: Tensors) -> Tensors:
        # Tracing omits inputs that the graph does not read.
        fed = {one.name: inputs[one.name].contiguous().numpy() for one in session.get_inputs()}
        found = session.run(outputs, fed)
        return dict(zip(outputs, map(torch.from_numpy, found), strict=True))

    return run


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from other services on the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
