"""What the page shows of an evaluation: results beside their baselines, and some questions."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.evaluation.results import (
    RECORD_FILE,
    Condition,
    Estimate,
    EvaluationRecord,
    Unit,
)
from synthvlm.report.model import EvaluationPart, QuestionCard
from synthvlm.report.pictures import data_uri
from synthvlm.storage import Shard, ShardRef, open_shard
from synthvlm.storage.schemas import ANSWERS, ANSWERS_FILE, QUESTIONS, QUESTIONS_FILE

SHOWN: Final = 2
"""Questions of each kind that are answered right, and that are answered wrong."""

CONDITIONS: Final[dict[Condition, str]] = {
    "image": "with the image",
    "blank-image": "empty image",
    "text-only": "without image",
    "majority": "commonest answer",
    "language-model": "language model before",
}
"""The conditions as the page calls them, in its order."""

_PICTURE: Final = pa.schema([QUESTIONS.field("question_id"), QUESTIONS.field("image")])
_READ_ROWS: Final = 4096


@dataclass(frozen=True)
class Compared:
    """A group of questions of a benchmark: the model with the image, and its baselines.

    Attributes:
        by: The property that the group is of.
        name: Its value.
        image: What the model with the image reaches.
        baselines: What is reached under the other conditions.
    """

    benchmark: str
    by: str
    name: str
    unit: Unit
    image: Estimate
    baselines: dict[Condition, Estimate]


def compared(record: EvaluationRecord) -> list[Compared]:
    """All groups of the benchmarks with images, each with its baselines."""
    others: dict[tuple[str, str, str], dict[Condition, Estimate]] = defaultdict(dict)
    for result in record.results:
        for group in result.groups:
            if result.condition != "image":
                named = (result.benchmark, group.by, group.name)
                others[named][result.condition] = group.estimate
    return [
        Compared(
            benchmark=result.benchmark,
            by=group.by,
            name=group.name,
            unit=result.unit,
            image=group.estimate,
            baselines=others[result.benchmark, group.by, group.name],
        )
        for result in record.results
        if result.condition == "image"
        for group in result.groups
    ]


def evaluation_part(shard: Shard) -> EvaluationPart:
    """The record of an evaluation, and questions of each kind with their pictures.

    Raises:
        NotFound: The questions are gone.
        DataCorrupt: Stored bytes are damaged.
    """
    record = EvaluationRecord.model_validate_json(shard.read(RECORD_FILE))
    tasks = tasks_of(shard, record)
    return EvaluationPart(record, [] if tasks is None else question_cards(tasks, _chosen(shard)))


def tasks_of(shard: Shard, record: EvaluationRecord) -> Shard | None:
    """The tasks of our own that an evaluation asked, with the pictures; None if there were none."""
    if not record.tasks:
        return None
    return open_shard(shard.store, ShardRef(record.tasks_path, record.tasks, 0))


def seen_answers(shard: Shard) -> Iterator[dict[str, Any]]:
    """The rows of answers that were given with the picture, their groups as a dictionary."""
    table = shard.table(ANSWERS_FILE, ANSWERS)
    seen = pc.and_(pc.equal(table["condition"], "image"), pc.is_valid(table["groups"]))
    for row in table.filter(seen).to_pylist():
        row["groups"] = dict(row["groups"])
        yield row


def is_right(row: Mapping[str, Any]) -> bool:
    """Whether the answer of a row is the truth."""
    return bool(row["score"] >= 1)


def _chosen(shard: Shard) -> list[dict[str, Any]]:
    """The first questions of each kind that were answered right, and the first wrong ones."""
    kept: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
    for row in seen_answers(shard):
        place = kept[row["groups"].get("kind", ""), is_right(row)]
        if len(place) < SHOWN:
            place.append(row)
    return [row for key in sorted(kept, key=lambda key: (key[0], not key[1])) for row in kept[key]]


def question_cards(tasks: Shard, rows: Sequence[Mapping[str, Any]]) -> list[QuestionCard]:
    """Questions with their pictures, in the order of the rows.

    Args:
        tasks: Holds the pictures.
        rows: Answers; one whose picture is not among the tasks is left out. ``unseen``, where a row
            has it, is the answer without the picture.
    """
    wanted = pa.array([row["question_id"] for row in rows], pa.string())
    pictures: dict[str, bytes] = {}
    for batch in tasks.batches(QUESTIONS_FILE, _PICTURE, _READ_ROWS):
        found = batch.filter(pc.is_in(batch["question_id"], wanted)).to_pylist()
        pictures |= {row["question_id"]: row["image"]["bytes"] for row in found}
    cards = []
    for row in rows:
        if row["question_id"] not in pictures:
            continue  # of a benchmark of others, whose pictures are not in the store
        image, width, height = data_uri(pictures[row["question_id"]], "image/png")
        cards.append(
            QuestionCard(
                image=image,
                width=width,
                height=height,
                question=row["question"],
                answer=row["answer"],
                truth=row["truth"],
                kind=row["groups"].get("kind", ""),
                things=row["groups"].get("things", ""),
                right=is_right(row),
                unseen=row.get("unseen", ""),
            )
        )
    return cards
