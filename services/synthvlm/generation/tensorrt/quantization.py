"""Denoising networks in 8 bits, by NVIDIA ModelOpt.

Written for the API of ``nvidia-modelopt`` 0.47, whose ``modelopt.onnx.quantization.quantize``
inserts pairs of Q and DQ nodes into a graph: in strongly typed networks these determine what
TensorRT computes in 8 bits. Value ranges are measured on the component's inputs when images are
generated from real captions with the profile's steps. Text encoders and decoder keep their
precision.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.components import DENOISERS, Component, Tensors, components_of
from synthvlm.generation.diffusion.executor import component_name
from synthvlm.generation.engine import ImageRequest
from synthvlm.progress import SILENT

if TYPE_CHECKING:
    from synthvlm.generation.diffusion.pipelines import Pipelines

Calibration = Mapping[str, Sequence[Tensors]]
"""The recorded inputs of each denoising network, by component."""

STEPS_KEPT = 8
"""Calls of a network kept per batch, spread over its part of the schedule."""


def record_inputs(
    pipelines: "Pipelines", settings: GenerationSettings, captions: Sequence[str]
) -> Calibration:
    """Generates images from captions, and records the inputs of the denoising networks.

    Args:
        pipelines: The pipelines in PyTorch.
        settings: The profile's settings, for steps, guidance and sizes.
        captions: The captions, generated in batches of ``batch_multiple``.

    Raises:
        InvalidInput: There are no captions.
    """
    if not captions:
        raise InvalidInput("quantisation needs captions for calibration: --calibration")
    recorded: dict[str, list[Tensors]] = {}
    with _Recorders(pipelines.by_role, recorded):
        size = settings.pipeline.batch_multiple
        for start in range(0, len(captions), size):
            requests = [
                ImageRequest(caption, seed, settings.sampling)
                for seed, caption in enumerate(captions[start : start + size], start)
            ]
            before = {name: len(calls) for name, calls in recorded.items()}
            pipelines.generate(requests, SILENT)
            for name, calls in recorded.items():
                fresh = calls[before.get(name, 0) :]
                calls[before.get(name, 0) :] = spread(fresh, STEPS_KEPT)
    return recorded


class _Recorders:
    """Hooks that record the inputs of the denoising networks within a context."""

    def __init__(self, pipelines: Mapping[str, Any], recorded: dict[str, list[Tensors]]) -> None:
        self._hooks = [
            getattr(pipeline, attribute).register_forward_pre_hook(
                self._keep(component, recorded.setdefault(component_name(role, attribute), [])),
                with_kwargs=True,
            )
            for role, pipeline in pipelines.items()
            for attribute, component in components_of(pipeline).items()
            if isinstance(component, DENOISERS)
        ]

    @staticmethod
    def _keep(component: Component, calls: list[Tensors]) -> Any:
        def keep(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            bound = component.bind(*args, **kwargs)
            calls.append(
                {
                    shape.name: bound[shape.name].detach().to("cpu", shape.dtype or module.dtype)
                    for shape in component.inputs
                }
            )

        return keep

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


def spread(calls: Sequence[Tensors], most: int) -> list[Tensors]:
    """At most ``most`` calls, evenly spread, including the first and the last."""
    if len(calls) <= most:
        return list(calls)
    return [calls[round(place * (len(calls) - 1) / (most - 1))] for place in range(most)]


class CalibrationReader:
    """Recorded inputs as a data reader for ONNX Runtime's calibration."""

    def __init__(self, calls: Sequence[Tensors], names: Sequence[str]) -> None:
        self._calls = calls
        self._names = names
        self._left: Iterator[Tensors] = iter(calls)

    def get_next(self) -> dict[str, Any] | None:
        """Returns the next inputs as arrays; None at the end."""
        call = next(self._left, None)
        return None if call is None else self._arrays(call)

    def get_first(self) -> dict[str, Any]:
        """Returns the first inputs without advancing."""
        return self._arrays(self._calls[0])

    def rewind(self) -> None:
        """Restarts from the first inputs."""
        self._left = iter(self._calls)

    def _arrays(self, call: Tensors) -> dict[str, Any]:
        return {name: call[name].numpy() for name in self._names}


def quantize_graph(graph: Path, mode: str, calls: Sequence[Tensors]) -> Path:
    """Quantises a graph.

    Args:
        graph: The ONNX graph.
        mode: ``fp8`` or ``int8``.
        calls: Recorded inputs of its component.

    Returns:
        The quantised graph, beside the original.

    Raises:
        PreconditionFailed: ModelOpt is not installed.
    """
    quantize = _modelopt()
    import onnx

    names = [one.name for one in onnx.load(graph, load_external_data=False).graph.input]
    quantized = graph.with_name(f"{graph.stem}-{mode}.onnx")
    quantize(
        str(graph),
        quantize_mode=mode,
        calibration_data_reader=CalibrationReader(calls, names),
        calibration_eps=["cuda:0", "cpu"] if torch.cuda.is_available() else ["cpu"],
        calibration_method="max",
        use_external_data_format=True,
        high_precision_dtype="fp16",
        output_path=str(quantized),
    )
    return quantized


def _modelopt() -> Any:
    try:
        from modelopt.onnx.quantization import quantize
    except ImportError as error:
        raise PreconditionFailed(
            f"quantisation to 8 bits needs NVIDIA ModelOpt: install nvidia-modelopt[onnx] 0.47 in "
            f"the image that builds engines ({error})"
        ) from error
    return quantize
