"""A module in the place of a pipeline's network, computed by an executor."""

from collections.abc import Callable
from typing import Any

import torch

from synthvlm.generation.executors.networks import Network, Tensors

Run = Callable[[Tensors], Tensors]
"""Computes a graph: named tensors in, named tensors out, all on the device of the pipeline."""


class ExecutedModule(torch.nn.Module):
    """Has the call signature, configuration and attributes of the module that it replaces.

    The original's parameters are given up: it only answers for its configuration. So this module
    says itself on which device and in which precision it computes.

    Args:
        original: The module that is replaced; it is moved to the ``meta`` device.
        network: Its kind.
        run: Computes it.
        device: Where inputs are expected and outputs are given.
    """

    def __init__(self, original: Any, network: Network, run: Run, device: torch.device) -> None:
        super().__init__()
        self.dtype: torch.dtype = original.dtype
        self.device = device
        self._network = network
        self._run = run
        # Not registered as a child: nothing shall move it, and it has no parameters to count.
        object.__setattr__(self, "_original", original.to("meta"))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the network as the pipeline calls it."""
        return self._execute("forward", *args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        """Computes a decoder as the pipeline calls it."""
        return self._execute("decode", *args, **kwargs)

    def _execute(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != self._network.method:
            raise NotImplementedError(f"an executed network of this kind has no {method}")
        bound = self._network.bind(*args, **kwargs)
        inputs = {
            shape.name: bound[shape.name].to(self.device, shape.dtype or self.dtype)
            for shape in self._network.inputs
        }
        return self._network.answer(self._run(inputs))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_original"), name)
