"""The interface of an executor, and how it takes over the components of a pipeline."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from synthvlm.generation.diffusion.components import Component, components_of
from synthvlm.generation.diffusion.executed import ExecutedModule, Run


class Executor(Protocol):
    """Computes components.

    Attributes:
        numerics: What, besides model and request, affects the last bit of its results.
    """

    numerics: Mapping[str, str | int]

    def load(self, name: str, component: Component, module: Any) -> Run:
        """Prepares a component.

        Args:
            name: The role of its pipeline and its attribute there, for example ``base-unet``.
            component: Its kind.
            module: The PyTorch module, on the CPU.

        Raises:
            PreconditionFailed: It cannot be run here.
        """


def take_over(pipelines: Mapping[str, Any], executor: Executor, device: str) -> None:
    """Replaces the components of pipelines by executed ones; a shared module is loaded once.

    Args:
        pipelines: Pipelines by role, on the CPU.
        executor: Computes their components from now on.
        device: Device of their tensors.

    Raises:
        PreconditionFailed: As ``Executor.load``.
    """
    replaced: dict[int, ExecutedModule] = {}
    originals = []  # kept until the end, so that no id is used twice
    for role, pipeline in pipelines.items():
        for attribute, component in components_of(pipeline).items():
            module = getattr(pipeline, attribute)
            if id(module) not in replaced:
                originals.append(module)
                _widen(module, component)
                run = executor.load(component_name(role, attribute), component, module)
                replaced[id(module)] = ExecutedModule(module, component, run, torch.device(device))
            pipeline.register_modules(**{attribute: replaced[id(module)]})


def component_name(role: str, attribute: str) -> str:
    """Name of a component, unique across all pipelines, for example ``base-unet``."""
    return f"{role}-{attribute}"


def _widen(module: Any, component: Component) -> None:
    """Converts a decoder to float32 if its configuration says that it overflows in float16.

    Pipelines do that while they run; a graph has a fixed precision. Weights that have been fixed
    for float16 do not ask for it.
    """
    overflows = component.method == "decode" and getattr(module.config, "force_upcast", False)
    if overflows and module.dtype == torch.float16:
        module.to(torch.float32)
