"""Two models on the same questions: how far they are apart, and how sure that is."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from synthvlm.errors import InvalidInput
from synthvlm.evaluation import answers as answer_table
from synthvlm.evaluation.answers import Answer
from synthvlm.evaluation.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    clustered,
    difference,
    value,
)
from synthvlm.evaluation.results import (
    RECORD_FILE,
    Condition,
    EvaluatedModel,
    EvaluationRecord,
    Unit,
)
from synthvlm.storage import Commit, Shard, ShardKey, ShardRef, Store, open_shard

KIND: Final = "comparison"
CODE_VERSION: Final = 1
"""Raised whenever this code compares in another way."""
COMPARISON_FILE: Final = "comparison.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(_Frozen):
    """By how much the second model is above the first.

    Attributes:
        by: Property of the questions; empty for all of the benchmark.
        name: Its value.
        first: The first model's value.
        second: The second's.
        difference: ``second`` less ``first``, in the unit.
        low: Lower end of the difference's interval.
        high: Upper end. An interval without 0 is a difference that chance hardly makes.
        questions: Questions that both answered.
        only_first: Questions that the first model alone answered better.
        only_second: Questions that the second alone answered better.
    """

    benchmark: str
    condition: Condition
    unit: Unit
    by: str = ""
    name: str = ""
    first: float
    second: float
    difference: float
    low: float
    high: float
    questions: int
    only_first: int
    only_second: int


class Comparison(_Frozen):
    """A comparison with its lineage; JSON by ``model_dump_json``.

    Attributes:
        first: The model that is compared with.
        second: The model that is compared.
        evaluations: Digests of both evaluations.
        tasks: Digest of the tasks of our own that both answered; empty for none.
    """

    first: EvaluatedModel
    second: EvaluatedModel
    evaluations: tuple[str, str]
    tasks: str
    confidence: float
    resamples: int
    differences: list[Difference]


def compare(store: Store, first: ShardRef, second: ShardRef) -> tuple[ShardRef, Comparison]:
    """Compares two committed evaluations, and commits that.

    Only benchmarks that both have, under the same condition and with scores of single questions,
    are compared: by paired bootstrap, in which both models answer the same drawn clusters.

    Raises:
        InvalidInput: They have answered other questions.
        NotFound: One does not exist.
        DataCorrupt: Stored bytes are damaged.
    """
    both = open_shard(store, first), open_shard(store, second)
    key = ShardKey(
        KIND,
        {"first": first.digest, "second": second.digest},
        {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": SEED},
        code_version=CODE_VERSION,
    )
    commit = Commit(store, key)
    if ref := commit.find():
        text = open_shard(store, ref).read(COMPARISON_FILE)
        return ref, Comparison.model_validate_json(text)
    old, new = (record_of(shard) for shard in both)
    if old.tasks != new.tasks:
        raise InvalidInput(
            f"{old.model.name} and {new.model.name} have answered other questions; evaluate both "
            f"with the same settings of scenes"
        )
    comparison = Comparison(
        first=old.model,
        second=new.model,
        evaluations=(first.digest, second.digest),
        tasks=old.tasks,
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        differences=_differences(old, new, *(answer_table.from_shard(shard) for shard in both)),
    )
    files = {COMPARISON_FILE: comparison.model_dump_json(indent=2).encode()}
    return commit.finish(files, records=len(comparison.differences)), comparison


def record_of(shard: Shard) -> EvaluationRecord:
    """The record of a committed evaluation."""
    return EvaluationRecord.model_validate_json(shard.read(RECORD_FILE))


def _differences(
    old: EvaluationRecord,
    new: EvaluationRecord,
    first: Sequence[Answer],
    second: Sequence[Answer],
) -> list[Difference]:
    found = []
    for result in new.results:
        if result.condition in ("majority", "language-model"):
            continue
        if old.result(result.benchmark, result.condition) is None:
            continue
        which = (result.benchmark, result.condition)
        pairs = _paired(which, first, second)
        if not pairs:
            continue
        found.append(_difference(pairs, result.unit, "", ""))
        for group in result.groups:
            some = [pair for pair in pairs if pair[1].groups.get(group.by) == group.name]
            found.append(_difference(some, result.unit, group.by, group.name))
    return found


Pair = tuple[Answer, Answer]


def _paired(
    which: tuple[str, str], first: Sequence[Answer], second: Sequence[Answer]
) -> list[Pair]:
    def of(answers: Sequence[Answer]) -> dict[str, Answer]:
        return {one.question_id: one for one in answers if (one.benchmark, one.condition) == which}

    old, new = of(first), of(second)
    if old.keys() != new.keys() or any(old[name].question != new[name].question for name in old):
        raise InvalidInput(
            f"the two evaluations asked other questions of {which[0]}; evaluate both with the same "
            f"settings and the same version of the benchmark"
        )
    return [(old[name], new[name]) for name in sorted(old)]


def _difference(pairs: Sequence[Pair], unit: Unit, by: str, name: str) -> Difference:
    old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    sums = clustered(old), clustered(new)
    apart, low, high = difference(*sums, unit)
    values = [float(value(part.sum(axis=0)[None], unit)[0]) for part in sums]
    return Difference(
        benchmark=new[0].benchmark,
        condition=new[0].condition,
        unit=unit,
        by=by,
        name=name,
        first=values[0],
        second=values[1],
        difference=apart,
        low=low,
        high=high,
        questions=len(pairs),
        only_first=sum(one.score > other.score for one, other in pairs),
        only_second=sum(one.score < other.score for one, other in pairs),
    )
