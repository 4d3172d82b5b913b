"""Which layers of SDXL compute otherwise at some places of a batch.

    python -m benchmarks.generation.places --device cuda --dtype float16 --places 8 16

Each component is given the same row at all places. Where the rows of a layer's result differ, the
layer is listed with the places that differ from the first one, and its result is replaced by its
first row, so that the layers behind it are judged on equal rows too. The components have the
published configuration and random weights; half a minute on a GPU. ``--configuration bundled``
takes the bundled models, to try it without one.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from synthvlm.generation.diffusion.components import (
    BATCH,
    HEIGHT,
    TOKENS,
    WIDTH,
    Component,
    components_of,
)
from synthvlm.generation.diffusion.loading import load
from synthvlm.generation.onnx.full_size import make_component
from synthvlm.generation.pipeline import PipelineSettings

_NAMES = ("text_encoder", "text_encoder_2", "unet", "vae")
_SIDES = {"sdxl": 128, "bundled": 16}
"""Sides of the latents, by configuration."""


@dataclass
class Odd:
    """Layers of one kind whose rows differ.

    Attributes:
        first: Path of the first of them in its component.
        places: Places that differ from the first one.
        layers: How many there are.
    """

    first: str
    places: list[int]
    layers: int = 0


class Watch:
    """Hooks on the layers of a component that note, and mend, rows that differ."""

    def __init__(self, module: Any) -> None:
        self.found: dict[str, Odd] = {}
        for path, layer in module.named_modules():
            # Products within an attention are no layers of their own.
            if not list(layer.children()) or type(layer).__name__.endswith("Attention"):
                layer.register_forward_hook(self._hook(path))

    def _hook(self, path: str) -> Any:
        def hook(layer: Any, given: tuple[Any, ...], result: Any) -> Any:
            rows, *rest = result if isinstance(result, tuple) else (result,)
            if not (given and _has_rows(given[0]) and _has_rows(rows)):
                return None
            if different(given[0]) or not (places := different(rows)):
                return None
            shape = tuple(given[0].shape[1:])
            kind = f"{type(layer).__name__}{getattr(layer, 'kernel_size', '')} of {shape}"
            self.found.setdefault(kind, Odd(path, places)).layers += 1
            mended = rows[:1].expand_as(rows).contiguous()
            return (mended, *rest) if isinstance(result, tuple) else mended

        return hook


def _has_rows(value: Any) -> bool:
    return torch.is_tensor(value) and value.dim() > 1 and len(value) > 1


def different(rows: torch.Tensor) -> list[int]:
    """Places whose row is not the first one, bit for bit."""
    return [place for place, row in enumerate(rows) if not torch.equal(row, rows[0])]


def components(
    configuration: str, device: str, dtype: torch.dtype
) -> Iterator[tuple[str, Component, Any]]:
    """The components of the base by name, one after another in memory."""
    if configuration == "sdxl":
        for name in _NAMES:
            with torch.device(device):
                component, module = make_component(name, dtype)
            yield name, component, module.to(device)
        return
    pipeline = load(PipelineSettings(pad_batches=True)).by_role["base"]
    for name, component in components_of(pipeline).items():
        yield name, component, getattr(pipeline, name).to(device, dtype)


def equal_rows(
    component: Component, places: int, side: int, device: str, dtype: torch.dtype
) -> list[torch.Tensor]:
    """Inputs of a component that are the same at all places."""
    sizes = {BATCH: 1, HEIGHT: side, WIDTH: side, TOKENS: 77}
    inputs = []
    for shape in component.inputs:
        example = shape.example(sizes, dtype).to(device)
        if shape.axes[:1] == (BATCH,):
            example = example.expand(places, *example.shape[1:]).contiguous()
        inputs.append(example)
    return inputs


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--configuration", choices=_SIDES, default="sdxl")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--places", type=int, nargs="+", default=[8, 16])
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    device, side = arguments.device, _SIDES[arguments.configuration]
    name = torch.cuda.get_device_name() if device.startswith("cuda") else device
    print(f"{name}, PyTorch {torch.__version__}")
    for role, component, module in components(
        arguments.configuration, device, getattr(torch, arguments.dtype)
    ):
        dtype = module.dtype
        if role == "vae" and dtype == torch.float16:
            dtype = torch.float32  # it overflows in half precision, so pipelines widen it
            module.to(dtype)
        watch = Watch(module)
        for places in arguments.places:
            watch.found.clear()
            inputs = equal_rows(component, places, side, device, dtype)
            with torch.no_grad():
                component.compute(module, *inputs)
            print(f"{role} ({dtype}), {places} places: {len(watch.found)} kinds of layers differ")
            for kind, odd in watch.found.items():
                print(f"    {odd.layers:>4} {kind}, at places {odd.places}, first {odd.first}")


if __name__ == "__main__":
    main()
