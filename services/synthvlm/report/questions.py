"""The page of questions: many of each kind with picture, answer and truth, wrong ones first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.compute as pc

from synthvlm.evaluation.results import RECORD_FILE, EvaluationRecord
from synthvlm.report.evaluation import is_right, question_cards, seen_answers, tasks_of
from synthvlm.report.model import QuestionCard
from synthvlm.report.render import page_environment
from synthvlm.storage import Shard, sha256_digest
from synthvlm.storage.schemas import ANSWERS, ANSWERS_FILE

MOST_WRONG: Final = 30
"""Wrong answers of each kind that are shown."""

MOST_RIGHT: Final = 12
"""Right answers of each kind that are shown."""


@dataclass(frozen=True)
class AskedKind:
    """The questions of a kind.

    Attributes:
        name: The kind.
        asked: Questions of it.
        right: Those that were answered right.
        cards: Those that are shown, wrong ones first.
    """

    name: str
    asked: int
    right: int
    cards: Sequence[QuestionCard]


def questions_page(shard: Shard, report: str = "") -> str | None:
    """The page of questions of an evaluation.

    Which are shown depends on nothing but the answers, so the same evaluation gives the same page.

    Args:
        shard: The evaluation.
        report: The report to which the page links; empty for none.

    Returns:
        A complete HTML document, without scripts and requests, in which all texts are escaped; None
        if the evaluation has no questions whose pictures are in the store.

    Raises:
        NotFound: The questions are gone.
        DataCorrupt: Stored bytes are damaged.
    """
    record = EvaluationRecord.model_validate_json(shard.read(RECORD_FILE))
    tasks = tasks_of(shard, record)
    if tasks is None:
        return None
    kinds = asked_kinds(shard, tasks)
    if not kinds:
        return None
    return (
        page_environment()
        .get_template("questions.html.j2")
        .render(
            record=record,
            report=report,
            kinds=kinds,
            asked=sum(kind.asked for kind in kinds),
            right=sum(kind.right for kind in kinds),
            most_wrong=MOST_WRONG,
            most_right=MOST_RIGHT,
        )
    )


def asked_kinds(shard: Shard, tasks: Shard) -> list[AskedKind]:
    """The kinds of question of an evaluation, in order of their names, each with some questions.

    Args:
        shard: The evaluation.
        tasks: What it asked, with the pictures.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in seen_answers(shard):
        if kind := row["groups"].get("kind"):
            rows[kind].append(row)
    chosen = {kind: _chosen(some) for kind, some in rows.items()}
    unseen = _unseen(shard)
    shown = [
        {**row, "unseen": unseen.get(row["question_id"], "")}
        for some in chosen.values()
        for row in some
    ]
    cards: dict[str, list[QuestionCard]] = defaultdict(list)
    for card in question_cards(tasks, shown):
        cards[card.kind].append(card)
    return [
        AskedKind(kind, len(rows[kind]), sum(map(is_right, rows[kind])), cards[kind])
        for kind in sorted(cards)
    ]


def _chosen(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some wrong answers and then some right ones, a sample that no order of the rows changes."""
    mixed = sorted(rows, key=lambda row: sha256_digest(row["question_id"].encode()))
    wrong = [row for row in mixed if not is_right(row)]
    right = [row for row in mixed if is_right(row)]
    return wrong[:MOST_WRONG] + right[:MOST_RIGHT]


def _unseen(shard: Shard) -> dict[str, str]:
    """The answers without the picture, by question."""
    table = shard.table(ANSWERS_FILE, ANSWERS)
    rows = table.filter(pc.equal(table["condition"], "text-only"))
    ids, answers = rows["question_id"].to_pylist(), rows["answer"].to_pylist()
    return dict(zip(ids, answers, strict=True))
