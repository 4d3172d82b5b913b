"""A module that replaces a pipeline's component and is computed by an executor."""

from collections.abc import Callable
from typing import Any

import torch

from synthvlm.generation.diffusion.components import Component, Tensors

Run = Callable[[Tensors], Tensors]
"""Computes a graph: named tensors in, named tensors out, all on the pipeline's device."""


class ExecutedModule(torch.nn.Module):
    """Has the call signature, configuration and attributes of the module that it replaces.

    The original is kept only for its configuration, without parameters, so this module reports its
    own device and precision.

    Args:
        original: The module to replace; it is moved to the ``meta`` device.
        component: Its kind.
        run: Computes it.
        device: Device of inputs and outputs.
    """

    def __init__(self, original: Any, component: Component, run: Run, device: torch.device) -> None:
        super().__init__()
        self.dtype: torch.dtype = original.dtype
        self.device = device
        self._component = component
        self._run = run
        # Not registered as a child: it must not be moved, and has no parameters to count.
        object.__setattr__(self, "_original", original.to("meta"))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the component as the pipeline calls it."""
        return self._execute("forward", *args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        """Computes a decoder as the pipeline calls it."""
        return self._execute("decode", *args, **kwargs)

    def _execute(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != self._component.method:
            raise NotImplementedError(f"an executed component of this kind has no method {method}")
        bound = self._component.bind(*args, **kwargs)
        inputs = {
            shape.name: bound[shape.name].to(self.device, shape.dtype or self.dtype)
            for shape in self._component.inputs
        }
        return self._component.answer(self._run(inputs))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_original"), name)
