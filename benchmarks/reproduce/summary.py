"""From finished cells to figures: each arm, and each claim with paired intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

from scipy.stats import t

from benchmarks.reproduce.cells import Cell
from benchmarks.reproduce.design import ARMS, CLAIMS, Claim
from synthvlm.evaluation import answers as answer_table
from synthvlm.evaluation.answers import Answer
from synthvlm.evaluation.bootstrap import clustered, difference
from synthvlm.evaluation.mini_tasks import SCENE_VQA
from synthvlm.storage import Store, open_shard

CONFIDENCE: Final = 0.95
RELATION: Final = "relation"

Answers = Mapping[tuple[str, int], Sequence[Answer]]
"""What each model answers about the exam's pictures, by arm and seed."""


@dataclass(frozen=True)
class ArmFigures:
    """An arm, all its seeds together.

    Attributes:
        pairs: Mean number of pairs.
        true: Mean share of true pairs.
        things: Mean number of things in a caption.
        accuracy: Share of right answers of each seed's model.
        relation: Mean share of right answers to questions about relations.
    """

    arm: str
    pairs: float
    true: float
    things: float
    accuracy: tuple[float, ...]
    relation: float


@dataclass(frozen=True)
class ClaimFigures:
    """A claim, and what was found.

    Attributes:
        difference: Mean over the seeds of the difference in accuracy.
        seeds: Interval by Student's t over the seeds' differences: pools, choices and trainings
            vary.
        questions: Interval by bootstrap over the exam's pictures, which both arms and all seeds
            share: only the exam varies.
    """

    claim: Claim
    difference: float
    seeds: tuple[float, float]
    questions: tuple[float, float]

    @property
    def verdict(self) -> str:
        """What both intervals allow to say: few seeds may agree by chance."""
        lows, highs = zip(self.seeds, self.questions, strict=True)
        if min(lows) > 0:
            return "holds here"
        return "the opposite holds here" if max(highs) < 0 else "cannot be told"


def read_answers(store: Store, cells: Sequence[Cell]) -> Answers:
    """The answers of all cells that were given with the image.

    Raises:
        DataCorrupt: Stored bytes are damaged.
    """
    return {
        (cell.arm, cell.seed): [
            one
            for one in answer_table.from_shard(open_shard(store, cell.evaluation))
            if (one.benchmark, one.condition) == (SCENE_VQA, "image")
        ]
        for cell in cells
    }


def arm_figures(arm: str, cells: Sequence[Cell], answers: Answers) -> ArmFigures:
    """The figures of an arm."""
    own = sorted((cell for cell in cells if cell.arm == arm), key=lambda cell: cell.seed)
    given = [answers[arm, cell.seed] for cell in own]
    relation = [one.score for some in given for one in some if one.groups.get("kind") == RELATION]
    return ArmFigures(
        arm=arm,
        pairs=fmean(cell.pairs for cell in own),
        true=fmean(cell.true for cell in own),
        things=fmean(cell.things for cell in own),
        accuracy=tuple(_accuracy(some) for some in given),
        relation=fmean(relation) if relation else math.nan,
    )


def of_finished_seeds(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of the seeds that have all arms, seed by seed in the order of the arms."""
    found = {(cell.seed, cell.arm): cell for cell in cells}
    seeds = sorted({cell.seed for cell in cells})
    whole = [seed for seed in seeds if all((seed, arm) in found for arm in ARMS)]
    return [found[seed, arm] for seed in whole for arm in ARMS]


def claim_figures(answers: Answers) -> list[ClaimFigures]:
    """All claims, each seed's two models compared on the same questions."""
    seeds = sorted({seed for _, seed in answers})
    return [_claim(claim, answers, seeds) for claim in CLAIMS]


def _claim(claim: Claim, answers: Answers, seeds: Sequence[int]) -> ClaimFigures:
    better = [answers[claim.better, seed] for seed in seeds]
    than = [answers[claim.than, seed] for seed in seeds]
    apart = [_accuracy(one) - _accuracy(other) for one, other in zip(better, than, strict=True)]
    _, low, high = difference(
        clustered([one for some in than for one in some]),
        clustered([one for some in better for one in some]),
        "share",
    )
    return ClaimFigures(claim, fmean(apart), student(apart), (low, high))


def student(values: Sequence[float]) -> tuple[float, float]:
    """The interval of the mean of a few values, by Student's t; two values at least."""
    reach = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - float(reach), fmean(values) + float(reach)


def _accuracy(answers: Sequence[Answer]) -> float:
    return fmean(one.score for one in answers)
