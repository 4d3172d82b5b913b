"""What the page shows of an evaluation: results beside their baselines, and some questions."""

from collections import defaultdict
from collections.abc import Sequence
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
    if not record.tasks:
        return EvaluationPart(record, [])
    tasks = open_shard(shard.store, ShardRef(record.tasks_path, record.tasks, 0))
    return EvaluationPart(record, _cards(tasks, _chosen(shard)))


def _chosen(shard: Shard) -> list[dict[str, Any]]:
    """The first questions of each kind that were answered right, and the first wrong ones."""
    table = shard.table(ANSWERS_FILE, ANSWERS)
    seen = pc.and_(pc.equal(table["condition"], "image"), pc.is_valid(table["groups"]))
    kept: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
    for row in table.filter(seen).to_pylist():
        row["groups"] = dict(row["groups"])
        place = kept[row["groups"].get("kind", ""), row["score"] >= 1]
        if len(place) < SHOWN:
            place.append(row)
    return [row for key in sorted(kept, key=lambda key: (key[0], not key[1])) for row in kept[key]]


def _cards(tasks: Shard, rows: Sequence[dict[str, Any]]) -> list[QuestionCard]:
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
                right=row["score"] >= 1,
            )
        )
    return cards
