"""How long a pool of GPUs trains a vision-language model in two stages, and at what cost.

The published rates are those of LLaVA-1.5 (its README): hours of a stage on a node of eight A100s
of 80 GB, in bfloat16, with the data that it names. Whoever has measured a rate gives it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from synthvlm.cli.commands.capacity.estimates import GPUS, HOURS_A_DAY, SECONDS_AN_HOUR
from synthvlm.errors import InvalidInput

PUBLISHED: Final = "published: LLaVA-1.5, 8 x A100"
GIVEN: Final = "given"

STAGES: Final = ("pretrain", "finetune")
_GPUS: Final = 8
_SAMPLES: Final = {"pretrain": 558_128, "finetune": 665_298}
"""Samples of LLaVA's own data sets, whose hours are published."""

_HOURS: Final = {
    "7b": {"pretrain": 3.5, "finetune": 10.0},
    "13b": {"pretrain": 5.5, "finetune": 20.0},
}
"""Hours of each stage on eight A100s."""

RATES: Final = {
    model: {stage: _SAMPLES[stage] / hours[stage] / _GPUS / SECONDS_AN_HOUR for stage in STAGES}
    for model, hours in _HOURS.items()
}
"""Published samples per second of one A100, by model and stage."""

PUBLISHED_GPU: Final = "A100"


@dataclass(frozen=True)
class TrainingPlan:
    """What to train, on what.

    Attributes:
        model: ``7b`` or ``13b``.
        samples: Samples by stage, epochs multiplied.
        gpus: GPUs that train at the same time.
        gpu: The product, by which the price goes; the published rates are of the A100 alone.
        rates: Samples per second of one GPU that were measured, by stage, in place of the
            published ones.
        efficiency: Fraction of the rate that is reached, above 0 to 1.
        prices: US dollars per GPU hour by product, in place of the defaults.
    """

    model: str
    samples: Mapping[str, int]
    gpus: int = 8
    gpu: str = PUBLISHED_GPU
    rates: Mapping[str, float] = field(default_factory=dict)
    efficiency: float = 1.0
    prices: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model not in RATES:
            raise InvalidInput(f"--train must be one of {', '.join(RATES)}")
        for stage, number in self.samples.items():
            if number < 1:
                raise InvalidInput(f"--{stage}-samples must be at least 1")
        for stage, rate in self.rates.items():
            if stage not in STAGES or not 0 < rate < float("inf"):
                raise InvalidInput(
                    f"--rate {stage}={rate:g}: give pretrain or finetune, and samples a second "
                    f"above 0"
                )
        if self.gpu not in GPUS:
            raise InvalidInput(f"--gpu: no GPU is called {self.gpu!r}; there are {', '.join(GPUS)}")
        if self.gpu != PUBLISHED_GPU and set(self.rates) != set(STAGES):
            raise InvalidInput(
                f"--gpu {self.gpu}: training rates are published for the {PUBLISHED_GPU} alone; "
                f"give measured ones with --rate pretrain=… and --rate finetune=…"
            )


@dataclass(frozen=True)
class StageEstimate:
    """A stage of a plan.

    Attributes:
        rate: Samples per second of one GPU.
        source: Whether the rate was published or given.
        hours: Hours on all GPUs of the plan.
        cost: US dollars for all GPU hours.
    """

    model: str
    stage: str
    gpu: str
    samples: int
    rate: float
    source: str
    gpu_hours: float
    hours: float
    days: float
    cost: float


def training_estimates(plan: TrainingPlan) -> list[StageEstimate]:
    """Both stages of the plan."""
    return [_estimate(plan, stage) for stage in STAGES]


def _estimate(plan: TrainingPlan, stage: str) -> StageEstimate:
    rate = plan.rates.get(stage, RATES[plan.model][stage])
    gpu_hours = plan.samples[stage] / (rate * plan.efficiency) / SECONDS_AN_HOUR
    return StageEstimate(
        model=plan.model,
        stage=stage,
        gpu=plan.gpu,
        samples=plan.samples[stage],
        rate=rate,
        source=GIVEN if stage in plan.rates else PUBLISHED,
        gpu_hours=gpu_hours,
        hours=gpu_hours / plan.gpus,
        days=gpu_hours / plan.gpus / HOURS_A_DAY,
        cost=gpu_hours * plan.prices.get(plan.gpu, GPUS[plan.gpu].price),
    )
