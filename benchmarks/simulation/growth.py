"""How what was measured grows with the number of captions, and where that leads."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.simulation.measure import Measured

MIB = 2**20
NOISE = 0.02
"""Growth below this share of the value says nothing."""

STAGES = ("import", "curate", "generate", "score", "select", "assemble")
PROCESSES = (
    "caption",
    "generation",
    "alignment",
    "dataset",
    "command",
    "pipeline",
    "step",
)


@dataclass(frozen=True)
class Quantity:
    """Something that runs take: its name, its unit, and how to read it from what was measured."""

    name: str
    unit: str
    of: Callable[[Measured], float]


def _operations(kind: str) -> Callable[[Measured], float]:
    return lambda run: sum(service.get(kind, 0.0) for service in run.operations.values())


def _traffic(direction: str) -> Callable[[Measured], float]:
    return lambda run: sum(one[direction] for one in run.store_bytes.values()) / MIB


def _stage(name: str) -> Callable[[Measured], float]:
    return lambda run: run.step_seconds[name]


def _memory(name: str) -> Callable[[Measured], float]:
    return lambda run: run.memory_mib[name]


QUANTITIES = (
    Quantity("whole run", "s", lambda run: run.seconds),
    *(Quantity(f"steps of {name}", "s", _stage(name)) for name in STAGES),
    *(Quantity(f"memory of {name}", "MiB", _memory(name)) for name in PROCESSES),
    *(Quantity(f"store: {kind}", "", _operations(kind)) for kind in ("get", "put", "head", "list")),
    Quantity("store: delete", "", _operations("delete")),
    Quantity("store: read", "MiB", _traffic("read")),
    Quantity("store: written", "MiB", _traffic("written")),
    Quantity("store: objects", "", lambda run: sum(run.objects.values())),
    Quantity("store: kept", "MiB", lambda run: sum(run.stored.values()) / MIB),
    Quantity("index: rows", "", lambda run: run.rows["made_image"] + run.rows["made_score"]),
    Quantity("index: size", "MiB", lambda run: run.files["reuse.sqlite"] / MIB),
    Quantity("catalogue: versions", "", lambda run: run.rows["dataset"]),
    Quantity("report", "KiB", lambda run: run.files["report.html"] / 1024),
    Quantity("record", "KiB", lambda run: run.files["record.json"] / 1024),
    Quantity("events", "KiB", lambda run: run.files["progress.jsonl"] / 1024),
    Quantity("KFP's files", "KiB", lambda run: run.files["kfp"] / 1024),
)


@dataclass(frozen=True)
class Growth:
    """How one quantity grows.

    Attributes:
        values: Of the runs, by their number of captions.
        slope: Per 1,000 captions, between the two largest runs.
        exponent: 1 for linear growth over a constant, less for slower, 2 for quadratic: how the
            growth between the larger two of the last three runs compares with that between the
            smaller two; None with fewer runs, or where one of them is within the noise.
        at: The line through the two largest runs, at any number of captions.
    """

    quantity: Quantity
    values: Sequence[float]
    slope: float
    exponent: float | None
    at: Callable[[int], float]


def growth(quantity: Quantity, runs: Sequence[Measured]) -> Growth:
    """How a quantity grows over two runs or more, of rising numbers of captions."""
    captions = [run.setting.captions for run in runs]
    values = [quantity.of(run) for run in runs]
    slope = (values[-1] - values[-2]) / (captions[-1] - captions[-2])
    exponent = None
    if len(runs) > 2:
        first, second = values[-2] - values[-3], values[-1] - values[-2]
        steps = (captions[-1] - captions[-2]) / (captions[-2] - captions[-3])
        if first > NOISE * values[-2] and second > NOISE * values[-1]:
            exponent = math.log(second / first) / math.log(steps)
    return Growth(
        quantity,
        values,
        slope * 1000,
        exponent,
        lambda number: values[-1] + slope * (number - captions[-1]),
    )


def table(runs: Sequence[Measured], to: int) -> str:
    """What runs took, as Markdown: a row a quantity, with its growth and where the line leads.

    Args:
        runs: Two runs or more, of rising numbers of captions, with equal settings otherwise.
        to: Number of captions to extrapolate to.
    """
    heads = [
        "",
        *(f"{run.setting.captions:,}" for run in runs),
        "each 1,000 more",
        "exponent",
        f"{to:,}",
    ]
    lines = [f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 1)}|"]
    for quantity in QUANTITIES:
        one = growth(quantity, runs)
        unit = f" ({quantity.unit})" if quantity.unit else ""
        cells = [
            f"{quantity.name}{unit}",
            *(number(value) for value in one.values),
            number(one.slope),
            "" if one.exponent is None else f"{one.exponent:.2f}",
            number(one.at(to)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits, or a whole number."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
