"""How long a pool of GPUs takes to synthesise a number of SDXL images, and at what cost.

All of it is arithmetic on throughput: images per second of one GPU at a number of steps, scaled to
the number of steps wanted. It is this project's own where it was measured, and a published one
elsewhere. ``docs/capacity.md`` explains it and names the sources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from synthvlm.errors import InvalidInput

SECONDS_AN_HOUR = 3600
HOURS_A_DAY = 24


@dataclass(frozen=True)
class Gpu:
    """A GPU product.

    Attributes:
        rate: Published images per second of one GPU: SDXL base, 1024x1024, classifier-free
            guidance.
        steps: Denoising steps at which the rate was published.
        source: Where the rate was published.
        price: US dollars per GPU hour: a round placeholder.
        node: GPUs in a typical node.
        measured: Images per second that this project measured at as many steps, with the settings
            of the profiles for GPUs; None: not measured.
    """

    name: str
    rate: float
    steps: int
    source: str
    price: float
    node: int
    measured: float | None = None


MLPERF = "MLPerf Inference, SDXL, offline"
"""20 Euler steps of the base, guidance 8, TensorRT."""

MODEL_CARD = "model card of stable-diffusion-xl-1.0-tensorrt"
"""30 steps of the base, TensorRT."""

GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("H100", 2.04, 20, MLPERF, 5.0, 8),
        Gpu("A100", 0.36, 30, MODEL_CARD, 2.0, 8),
        Gpu("L40S", 0.69, 20, MLPERF, 2.0, 4),
        Gpu("H200", 2.40, 20, MLPERF, 6.0, 8, measured=1.55),
        Gpu("B200", 4.07, 20, MLPERF, 10.0, 8),
        Gpu("L4", 0.25, 20, MLPERF, 1.0, 1),
        Gpu("A10", 0.12, 30, MODEL_CARD, 1.0, 1),
    )
}
"""The products by name; the first three are those of the usual plans."""

USUAL = ("H100", "A100", "L40S")


@dataclass(frozen=True)
class Plan:
    """What to make, and at what fraction of each GPU's rate.

    Attributes:
        images: Images in all, repeats included.
        steps: Denoising steps of base and refiner together.
        gpus: GPUs that work at the same time.
        efficiency: Fraction of the GPU's rate that is reached, above 0 to 1: encoding, storage,
            half-filled batches, interrupted nodes.
        prices: US dollars per GPU hour by product, in place of the defaults.
    """

    images: int = 1_000_000
    steps: int = 60
    gpus: int = 8
    efficiency: float = 1.0
    prices: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("images", self.images), ("steps", self.steps), ("gpus", self.gpus)):
            if value < 1:
                raise InvalidInput(f"--{name} must be at least 1")
        if not 0 < self.efficiency <= 1:
            raise InvalidInput("--efficiency must be above 0 and at most 1")
        for name, price in self.prices.items():
            if name not in GPUS:
                raise InvalidInput(f"--price: no GPU is called {name!r}; there are {_known()}")
            if not 0 <= price < float("inf"):
                raise InvalidInput(f"--price: the price of {name} must be 0 or more")


@dataclass(frozen=True)
class Estimate:
    """One GPU product's answer to a plan.

    Attributes:
        images_an_hour: Images per hour of one GPU.
        gpu_hours: Hours of all GPUs added up.
        days: Days that the plan takes on all of its GPUs.
        cost: US dollars for all GPU hours.
        rate: Whether the GPU's rate was ``measured`` or ``published``.
    """

    gpu: str
    images_an_hour: float
    gpu_hours: float
    days: float
    nodes: int
    cost: float
    rate: Literal["measured", "published"]


def estimates(plan: Plan, names: Sequence[str] = USUAL) -> list[Estimate]:
    """The plan on each product.

    Raises:
        InvalidInput: A product is unknown.
    """
    return [_estimate(plan, _gpu(name)) for name in names]


def _estimate(plan: Plan, gpu: Gpu) -> Estimate:
    # A step costs the same wherever it stands in the schedule; the rest of an image (encoders,
    # VAE) is scaled with the steps too, which makes estimates for more steps a little too high.
    rate = gpu.rate if gpu.measured is None else gpu.measured
    images_an_hour = rate * gpu.steps / plan.steps * plan.efficiency * SECONDS_AN_HOUR
    gpu_hours = plan.images / images_an_hour
    return Estimate(
        gpu=gpu.name,
        images_an_hour=images_an_hour,
        gpu_hours=gpu_hours,
        days=gpu_hours / plan.gpus / HOURS_A_DAY,
        nodes=-(-plan.gpus // gpu.node),
        cost=gpu_hours * plan.prices.get(gpu.name, gpu.price),
        rate="published" if gpu.measured is None else "measured",
    )


def _gpu(name: str) -> Gpu:
    if name not in GPUS:
        raise InvalidInput(f"--gpu: no GPU is called {name!r}; there are {_known()}")
    return GPUS[name]


def _known() -> str:
    return ", ".join(GPUS)
