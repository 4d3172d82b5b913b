"""What ``benchmarks/generation/gpu.py`` measures, in the order of its weight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthvlm.profiles import load_profile

_COMPILATION = {"none": 0.0, "repeated_blocks": 20.0, "whole": 130.0}
"""Seconds that compiling the denoising network took on an H200 and its host."""

_PIPELINE = load_profile("single-gpu").section("generation")["pipeline"]
TOGETHER = {name: _PIPELINE[name] for name in ("torch", "cached_prompts")}
"""What the profiles for GPUs set, all at once."""


@dataclass(frozen=True)
class Schedule:
    """A number of steps, and how they are guided and divided among base and refiner."""

    name: str
    steps: int
    guidance: float
    fraction: float


@dataclass(frozen=True)
class Case:
    """A row to measure: settings of ``pipeline`` by name, those of ``torch`` included."""

    name: str
    schedule: Schedule
    batch: int
    settings: dict[str, Any] = field(default_factory=dict)
    direct: bool = False

    @property
    def compilation(self) -> float:
        """Estimated seconds of compilation."""
        return _COMPILATION[self.settings.get("torch", {}).get("compile_denoiser", "none")]


def settings_alone() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each setting by itself, the most promising first."""
    blocks = {"compile_denoiser": "repeated_blocks"}
    yield "repeated blocks compiled", {"torch": blocks}
    yield "decoder in bfloat16", {"torch": {"decoder_dtype": "bfloat16"}}
    yield "decoder in slices", {"torch": {"slice_decoder": True}}
    yield "channels last", {"torch": {"channels_last": True}}
    yield "fused qkv", {"torch": {"fuse_qkv": True}}
    yield "attention cudnn", {"torch": {"attention": "cudnn"}}
    yield "prompts cached", {"cached_prompts": 64}
    yield "guidance to 0.8", {"guidance_end": 0.8}
    yield "bfloat16", {"dtype": "bfloat16"}
    yield (
        "bfloat16, linear layers in fp8, blocks compiled",
        {"dtype": "bfloat16", "torch": {**blocks, "fp8": "linear"}},
    )
    yield "denoiser compiled whole", {"torch": {"compile_denoiser": "whole"}}


def cases(batches: Sequence[int], schedules: Sequence[Schedule]) -> Iterator[Case]:
    """All rows, in the order of their weight."""
    base, *others = schedules
    middle = sorted(batches)[len(batches) // 2]
    yield from (Case("none", base, batch, direct=True) for batch in batches)
    yield Case("together", base, middle, TOGETHER, direct=True)
    yield from (Case("none", other, middle, direct=True) for other in others)
    yield from (Case(name, base, middle, some) for name, some in settings_alone())
    for batch in (one for one in batches if one != middle):
        yield Case("together", base, batch, TOGETHER)
    for other in others:
        yield Case("together", other, middle, TOGETHER)
        yield from (Case("none", other, batch) for batch in batches if batch != middle)
