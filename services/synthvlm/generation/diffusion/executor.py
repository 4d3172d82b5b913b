"""What an executor does, and how it takes over the networks of a pipeline."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from synthvlm.generation.executors.module import ExecutedModule, Run
from synthvlm.generation.executors.networks import Network, networks_of


class Executor(Protocol):
    """Computes networks.

    Attributes:
        name: Its name in profiles.
        numerics: What, besides model and request, the last bit of its numbers depends on.
    """

    name: str
    numerics: Mapping[str, str | int]

    def load(self, role: str, part: str, network: Network, module: Any) -> Run:
        """Makes a network ready.

        Args:
            role: ``base`` or ``refiner``.
            part: The pipeline's attribute, for example ``unet``.
            network: Its kind.
            module: The PyTorch module, on the CPU.

        Raises:
            PreconditionFailed: It cannot be executed here.
        """


def take_over(pipelines: Mapping[str, Any], executor: Executor, device: str) -> None:
    """Replaces the networks of pipelines by executed ones; a shared module is executed once.

    Args:
        pipelines: Pipelines by role, on the CPU.
        executor: What computes their networks from now on.
        device: Where their tensors will be.

    Raises:
        PreconditionFailed: As ``Executor.load``.
    """
    replaced: dict[int, ExecutedModule] = {}
    originals = []  # kept until the end, so that no id is used twice
    for role, pipeline in pipelines.items():
        for part, network in networks_of(pipeline).items():
            module = getattr(pipeline, part)
            if id(module) not in replaced:
                originals.append(module)
                _widen(module, network)
                run = executor.load(role, part, network, module)
                replaced[id(module)] = ExecutedModule(module, network, run, torch.device(device))
            pipeline.register_modules(**{part: replaced[id(module)]})


def _widen(module: Any, network: Network) -> None:
    """Puts a decoder that overflows in float16, as its weights say of themselves, into float32.

    Pipelines do that while they run; a graph has one precision for good. Weights that have been
    fixed for float16 do not ask for it.
    """
    overflows = network.method == "decode" and getattr(module.config, "force_upcast", False)
    if overflows and module.dtype == torch.float16:
        module.to(torch.float32)
