"""Compares samplers: ``python -m synthvlm.scenes.mini_models.measure.samplers --weights DIR``.

mini-sdxl predicts v on a schedule of zero terminal signal-to-noise ratio, whose first step is at
pure noise. Each scheduler is made from the model's own scheduler configuration, so it starts there
too; DDIM must also be told not to clip its predictions, since latents are not pixels. Prints a
Markdown table of truth rate, likeness and seconds per image by scheduler and number of steps.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from synthvlm.scenes.mini_models.measure.sdxl import (
    HANDOVER,
    Generator,
    held_out_captions,
    likeness,
    truth_of,
)
from synthvlm.scenes.mini_models.measure.tables import Table, percent

SCHEDULERS: Final[dict[str, Callable[[Any], Any]]] = {
    "Euler": EulerDiscreteScheduler.from_config,
    "Euler ancestral": EulerAncestralDiscreteScheduler.from_config,
    "DDIM": lambda config: DDIMScheduler.from_config(config, clip_sample=False),
    "DPM++ 2M": lambda config: DPMSolverMultistepScheduler.from_config(
        config, algorithm_type="dpmsolver++"
    ),
    "UniPC": UniPCMultistepScheduler.from_config,
}
STEPS: Final = (3, 4, 6, 8, 12)


def use_scheduler(generate: Generator, name: str) -> None:
    """Puts a scheduler of ``SCHEDULERS`` into base and refiner."""
    for pipeline in (generate.base, generate.refiner):
        if pipeline is not None:
            pipeline.scheduler = SCHEDULERS[name](pipeline.scheduler.config)


def has_refiner_steps(steps: int) -> bool:
    """Whether the refiner's share of this many steps is at least one step."""
    return steps * (1 - HANDOVER) > 0.99


def measure_sampler(
    generate: Generator, captions: Sequence[str], steps: int, guidance: float
) -> tuple[str, str, str]:
    """Truth rate, likeness and seconds per image, as cells of a table."""
    began = time.perf_counter()
    images = generate(captions, 8000, steps, guidance)
    seconds = (time.perf_counter() - began) / len(images)
    truth = float(truth_of(images, captions).mean())
    return percent(truth), f"{likeness(images):.2f} dB", f"{seconds:.3f} s"


def compare_samplers(
    weights: Path,
    count: int,
    guidance: float,
    steps: Sequence[int] = STEPS,
    schedulers: Sequence[str] = tuple(SCHEDULERS),
) -> Table:
    """The table, from ``count`` held-out captions each of one thing and of two with a relation."""
    base, refiner = weights / "mini-sdxl", weights / "mini-sdxl-refiner"
    generators = (Generator(base, None), Generator(base, refiner))
    captions = held_out_captions("one", count) + held_out_captions("two", count)
    rows = []
    for name in schedulers:
        for number in steps:
            cells: tuple[str, ...] = ()
            for generate in generators:
                use_scheduler(generate, name)
                if generate.refiner is not None and not has_refiner_steps(number):
                    cells += ("",) * 3
                else:
                    cells += measure_sampler(generate, captions, number, guidance)
            rows.append((name, str(number), *cells))
    measured = ("true", "likeness", "per image")
    columns = (
        "scheduler",
        "steps",
        *(f"base: {name}" for name in measured),
        *(f"with refiner: {name}" for name in measured),
    )
    note = (
        f"Guidance {guidance:g}, batches of 16, {torch.get_num_threads()} threads. "
        "With fewer than five steps, none is left for the refiner."
    )
    return Table(f"Samplers, {len(captions)} captions of one or two things", columns, rows, note)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=50, help="captions per kind")
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--schedulers", nargs="+", choices=SCHEDULERS, default=list(SCHEDULERS))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(compare_samplers(args.weights, args.count, args.guidance, args.steps, args.schedulers))


if __name__ == "__main__":
    main()
