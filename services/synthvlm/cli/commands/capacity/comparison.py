"""What a run took of GPUs, beside what the known rates had promised for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from synthvlm.cli.commands.capacity.estimates import SECONDS_AN_HOUR, Plan, estimates
from synthvlm.cli.commands.capacity.training import (
    PUBLISHED_GPU,
    STAGES,
    TrainingPlan,
    training_estimates,
)
from synthvlm.errors import InvalidInput
from synthvlm.report.bill import RunCost, StageCost
from synthvlm.report.record import RunRecord, Stage

IMAGES: Final = "images"
SAMPLES: Final = "samples"


@dataclass(frozen=True)
class Compared:
    """A stage of a run beside its plan.

    Attributes:
        stage: The stage.
        gpu: The product that the plan is for.
        made: Images, or samples, that the run made.
        noun: What they are.
        planned_hours: GPU hours by the plan.
        taken_hours: GPU hours that the run took.
        an_hour: How many it made in a GPU hour.
        efficiency: Planned by taken: what to give as ``--efficiency`` of the next plan, where it is
            at most 1.
        planned_cost: US dollars by the plan.
        taken_cost: The run's bill, in the currency of its profile; None without a price there.
    """

    stage: Stage
    gpu: str
    made: int
    noun: str
    planned_hours: float
    taken_hours: float
    an_hour: float
    efficiency: float
    planned_cost: float
    taken_cost: float | None


def compared_images(
    record: RunRecord, cost: RunCost, gpus: Sequence[str], plan: Plan
) -> list[Compared]:
    """The run's images beside the plan for as many of as many steps, on each GPU product.

    Args:
        record: The run's record.
        cost: What it took.
        gpus: Products.
        plan: Has the efficiency and the prices of the plan.

    Raises:
        InvalidInput: The run made no images, or does not say how many steps they have.
    """
    stage = _stage(cost, "generate", IMAGES)
    steps = _steps(record.configuration)
    wanted = Plan(stage.made, steps, plan.gpus, plan.efficiency, plan.prices)
    return [_compared(stage, one.gpu, one.gpu_hours, one.cost) for one in estimates(wanted, gpus)]


def compared_training(cost: RunCost, model: str, plan: Plan) -> list[Compared]:
    """The run's training, both of its stages, beside the plan for as many samples.

    Raises:
        InvalidInput: The run trained no model.
    """
    stage = _stage(cost, "train", SAMPLES)
    samples = {name: max(1, stage.parts.get(name, 0)) for name in STAGES}
    wanted = TrainingPlan(
        model, samples, plan.gpus, PUBLISHED_GPU, {}, plan.efficiency, plan.prices
    )
    found = training_estimates(wanted)
    hours, dollars = sum(one.gpu_hours for one in found), sum(one.cost for one in found)
    return [_compared(stage, PUBLISHED_GPU, hours, dollars)]


def _stage(cost: RunCost, name: Stage, noun: str) -> StageCost:
    stage = next((one for one in cost.stages if one.stage == name), None)
    if stage is None or not stage.made:
        raise InvalidInput(
            f"--compare: the run made no {noun} itself, so there is nothing to compare"
        )
    if not stage.device_seconds:
        raise InvalidInput(
            f"--compare: nothing in the store says what the run's {noun} took of a device: it was "
            f"made by an earlier release, or its store was cleared of usage/"
        )
    return stage


def _steps(configuration: dict[str, Any]) -> int:
    try:
        return int(configuration["generation"]["parameters"]["steps"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            "--compare: the run's record does not say how many steps its images have"
        ) from error


def _compared(stage: StageCost, gpu: str, hours: float, dollars: float) -> Compared:
    seconds = stage.device_seconds or 0.0
    taken = seconds / SECONDS_AN_HOUR
    return Compared(
        stage=stage.stage,
        gpu=gpu,
        made=stage.made,
        noun=stage.noun,
        planned_hours=hours,
        taken_hours=taken,
        an_hour=stage.made / taken,
        efficiency=hours / taken,
        planned_cost=dollars,
        taken_cost=stage.compute,
    )
