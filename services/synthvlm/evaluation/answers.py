"""Answers to single questions: what estimates and comparisons are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from synthvlm.evaluation.results import Condition, Scorer, Unit
from synthvlm.storage import Shard
from synthvlm.storage.schemas import ANSWERS, ANSWERS_FILE
from synthvlm.storage.tables import table_bytes


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        benchmark: Name of the benchmark.
        condition: Who answered.
        question_id: Names the question within the benchmark.
        cluster: Questions with the same cluster (an image) are not independent of each other.
        groups: Properties of the question by which results are shown.
        question: Its text.
        truth: The right answer.
        answer: What was answered.
        score: How good it is, 0 to 1; of a text, its log likelihood in nats.
        weight: 1; of a text, its number of words.
    """

    benchmark: str
    condition: Condition
    question_id: str
    cluster: str
    question: str
    truth: str
    answer: str
    score: float
    weight: float = 1.0
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """All answers to a benchmark under a condition, and what they were scored by.

    Attributes:
        value: The harness's own figure, where it is not the mean of the answers' scores.
        questions: Questions that ``value`` is made of.
    """

    benchmark: str
    condition: Condition
    metric: str
    unit: Unit
    harness: Scorer
    answers: Sequence[Answer]
    value: float | None = None
    questions: int = 0


def to_bytes(answers: Iterable[Answer]) -> bytes:
    """The table as Parquet."""
    rows = [{**asdict(one), "groups": sorted(one.groups.items())} for one in answers]
    return table_bytes(pa.Table.from_pylist(rows, ANSWERS), ANSWERS)


def from_shard(shard: Shard) -> list[Answer]:
    """The answers of a committed evaluation.

    Raises:
        DataCorrupt: Its bytes are damaged.
    """
    rows = shard.table(ANSWERS_FILE, ANSWERS).to_pylist()
    return [Answer(**{**row, "groups": dict(row["groups"])}) for row in rows]
