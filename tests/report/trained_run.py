"""A model and an evaluation of it in a store, beside a run: curves, and answers about scenes."""

import io
import json
import math
import random

import pyarrow as pa
import pyarrow.parquet as pq

from synthvlm.evaluation.answers import Answer, Scored, to_bytes
from synthvlm.evaluation.config import SceneSettings
from synthvlm.evaluation.mini_tasks import make_tasks
from synthvlm.evaluation.results import (
    KIND,
    RECORD_FILE,
    Condition,
    EvaluatedModel,
    EvaluationRecord,
)
from synthvlm.evaluation.summary import majority, margins, summarised
from synthvlm.report.record import RunRecord, StageTiming
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.schemas import ANSWERS_FILE, QUESTIONS, QUESTIONS_FILE

STEPS = {"pretrain": 150, "finetune": 700}


def with_training(store: Store, record: RunRecord, scenes: int = 40) -> RunRecord:
    """The record of a run that trained a model too, and evaluated it."""
    model = commit_model(store)
    steps = sum(STEPS.values())
    jobs = [
        StageTiming(stage="train", seconds=190.0, done=steps),
        StageTiming(stage="evaluate", seconds=25.0, done=scenes),
    ]
    return record.model_copy(
        update={
            "model": model,
            "evaluation": commit_evaluation(store, model, scenes),
            "stages": [*record.stages, *jobs],
        }
    )


def commit_model(store: Store) -> ShardRef:
    """A model with the columns that a training writes, of which the report shows some."""
    rows, lines = [], []
    for stage, steps in STEPS.items():
        for step in range(5, steps + 1, 5):
            loss = 3.4 * math.exp(-step / 60) + 0.4 + 0.1 * math.sin(step)
            rate = 2e-3 * (1 - step / steps)
            rows.append(
                {"stage": stage, "step": step, "loss": loss, "learning_rate": rate, "tokens": 900}
            )
            speed = {"stage": stage, "step": step, "samples_per_second": 50.0 + step % 2}
            lines.append(json.dumps({**speed, "padding": 0.125, "processes": 1}))
    schema = pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in (
                ("stage", pa.string()),
                ("step", pa.int64()),
                ("loss", pa.float64()),
                ("learning_rate", pa.float64()),
                ("tokens", pa.int64()),
            )
        ]
    )
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), table)
    details = {
        "stages": [
            {"stage": name, "steps": steps, "samples": 8 * steps, "tokens": 180 * steps}
            for name, steps in STEPS.items()
        ]
    }
    files = {"curve.parquet": table.getvalue()}
    ref = Commit(store, ShardKey("models", {})).finish(files, 1, details=details)
    store.write(f"{ref.path}/throughput.jsonl", "".join(f"{x}\n" for x in lines).encode())
    return ref


def commit_evaluation(store: Store, model: ShardRef, scenes: int) -> ShardRef:
    """Answers that are right more often with the image than without."""
    tasks = make_tasks(store, SceneSettings(scenes=scenes, questions_per_scene=3, texts=2))
    rows = open_shard(store, tasks).table(QUESTIONS_FILE, QUESTIONS).to_pylist()
    rng = random.Random(7)
    shares: dict[Condition, float] = {"image": 0.7, "blank-image": 0.3, "text-only": 0.35}
    scored = []
    for condition, share in shares.items():
        answers = []
        for row in rows:
            right = rng.random() < share
            answers.append(
                Answer(
                    benchmark="scene-vqa",
                    condition=condition,
                    question_id=row["question_id"],
                    cluster=row["cluster"],
                    question=row["prompt"],
                    truth=row["answer"],
                    answer=row["answer"] if right else "<b>purple</b>",
                    score=float(right),
                    groups={"kind": row["kind"], "things": row["things"]},
                )
            )
        scored.append(Scored("scene-vqa", condition, "exact_match", "share", "lm-eval", answers))
    scored.append(majority(scored[0], "kind"))
    texts = [Answer("captions", "text-only", "c", "c", "a star", "", "", -3.0, 2.0)]
    scored.append(
        Scored("captions", "text-only", "word_perplexity", "perplexity", "lm-eval", texts)
    )
    record = EvaluationRecord(
        model=EvaluatedModel(name="demo", digest=model.digest),
        tasks=tasks.digest,
        tasks_path=tasks.path,
        harnesses={"lm-eval": "0.4.13"},
        settings={},
        confidence=0.95,
        results=[summarised(one) for one in scored],
        margins=margins(scored),
    )
    answers = [one for part in scored for one in part.answers]
    files = {RECORD_FILE: record.model_dump_json().encode(), ANSWERS_FILE: to_bytes(answers)}
    return Commit(store, ShardKey(KIND, {"tasks": tasks.digest}, {}, model.digest)).finish(
        files, len(answers)
    )
