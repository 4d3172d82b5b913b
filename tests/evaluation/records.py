"""Evaluations in a store without a model: answers that a test thinks out."""

import random
from collections.abc import Callable

from synthvlm.evaluation.answers import Answer, Scored, to_bytes
from synthvlm.evaluation.results import KIND, RECORD_FILE, EvaluatedModel, EvaluationRecord
from synthvlm.evaluation.summary import margins, summarised
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, sha256_digest
from synthvlm.storage.schemas import ANSWERS_FILE

KINDS = ("colour", "shape")


def scene_answers(right: Callable[[int, str], bool], scenes: int = 40) -> list[Answer]:
    """Two questions about each scene."""
    return [
        Answer(
            benchmark="scene-vqa",
            condition="image",
            question_id=f"{scene:03d}-{kind}",
            cluster=f"{scene:03d}",
            question=f"what {kind} is it?",
            truth="red" if scene % 2 else "blue",
            answer="red",
            score=float(right(scene, kind)),
            groups={"kind": kind},
        )
        for scene in range(scenes)
        for kind in KINDS
    ]


def commit_evaluation(
    store: Store, name: str, answers: list[Answer], tasks: str = "sha256:tasks"
) -> ShardRef:
    scored = [Scored("scene-vqa", "image", "exact_match", "share", "lm-eval", answers)]
    model = sha256_digest(name.encode())
    record = EvaluationRecord(
        model=EvaluatedModel(name=name, digest=model),
        tasks=tasks,
        harnesses={"lm-eval": "0"},
        settings={},
        confidence=0.95,
        results=[summarised(one) for one in scored],
        margins=margins(scored),
    )
    files = {RECORD_FILE: record.model_dump_json().encode(), ANSWERS_FILE: to_bytes(answers)}
    return Commit(store, ShardKey(KIND, {}, {"name": name}, model)).finish(files, len(answers))


def mostly(share: float, seed: int) -> Callable[[int, str], bool]:
    rng = random.Random(seed)
    return lambda scene, kind: rng.random() < share
