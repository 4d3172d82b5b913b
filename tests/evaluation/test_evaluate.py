"""A real evaluation of a real, untrained model by lm-eval, in small."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from synthvlm.errors import PreconditionFailed
from synthvlm.evaluation import answers as answer_table
from synthvlm.evaluation import evaluate as evaluation_module
from synthvlm.evaluation.__main__ import main
from synthvlm.evaluation.answers import Answer
from synthvlm.evaluation.comparison import record_of
from synthvlm.evaluation.evaluate import evaluate
from synthvlm.evaluation.request import EvaluationRequest
from synthvlm.evaluation.results import EvaluationRecord
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.progress import SILENT
from synthvlm.scenes.mini_models.measure.llm import Reader
from synthvlm.storage import (
    Commit,
    ShardKey,
    ShardRef,
    Store,
    file_location,
    open_shard,
    open_store,
)
from synthvlm.storage.schemas import ANSWERS_FILE, PROBES, QUESTIONS, QUESTIONS_FILE

SCENES = {"scenes": 24, "questions_per_scene": 2, "texts": 20}


def request_of(store: Store, model: dict[str, Any], **more: Any) -> EvaluationRequest:
    settings = {"scenes": SCENES, "threads": 1, "batch_size": 32, **more}
    return EvaluationRequest.model_validate(
        {"name": "small", "store": store.uri, "model": model, "evaluation": settings}
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(file_location(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def done(store: Store, model: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardRef:
    """The evaluation that the job itself makes."""
    path = tmp_path_factory.mktemp("request") / "request.json"
    path.write_text(request_of(store, {"folder": str(model)}).model_dump_json())
    assert main(["--request", str(path)]) == 0
    (found,) = store.list("evaluation")[-1:]
    folder = found.rpartition("/")[0]
    digest = json.loads(store.read(f"{folder}/manifest.json"))["digest"]
    return ShardRef(folder, digest, 0)


@pytest.fixture(scope="module")
def record(store: Store, done: ShardRef) -> EvaluationRecord:
    return record_of(open_shard(store, done))


@pytest.fixture(scope="module")
def answers(store: Store, done: ShardRef) -> list[Answer]:
    return answer_table.from_shard(open_shard(store, done))


def of(answers: list[Answer], benchmark: str, condition: str) -> dict[str, Answer]:
    return {
        one.question_id: one
        for one in answers
        if (one.benchmark, one.condition) == (benchmark, condition)
    }


def test_every_question_is_answered_under_every_condition(
    store: Store, record: EvaluationRecord, answers: list[Answer]
) -> None:
    asked = open_shard(store, ShardRef(record.tasks_path, record.tasks, 0))
    rows = {row["question_id"]: row for row in asked.table(QUESTIONS_FILE, QUESTIONS).to_pylist()}
    assert len(rows) == 48
    for condition in ("image", "blank-image", "text-only", "majority"):
        found = of(answers, "scene-vqa", condition)
        assert found.keys() == rows.keys()
        for name, one in found.items():
            assert (one.question, one.truth) == (rows[name]["prompt"], rows[name]["answer"])
            assert one.groups == {"kind": rows[name]["kind"], "things": rows[name]["things"]}
            assert one.score == float(one.answer.lower() == one.truth.lower())
    seen, blind = (of(answers, "scene-vqa", name) for name in ("image", "blank-image"))
    assert any(seen[name].answer != blind[name].answer for name in seen)


def test_results_are_those_of_the_answers(record: EvaluationRecord, answers: list[Answer]) -> None:
    for condition in ("image", "blank-image", "text-only", "majority"):
        result = record.result("scene-vqa", condition)
        assert result is not None
        scores = [one.score for one in of(answers, "scene-vqa", condition).values()]
        assert result.estimate.value == pytest.approx(np.mean(scores))
        assert result.estimate.questions == len(scores)
        for by in ("kind", "things"):
            parts = [group.estimate for group in result.groups if group.by == by]
            assert sum(part.questions for part in parts) == len(scores)
            total = sum(part.value * part.questions for part in parts)
            assert total == pytest.approx(sum(scores))
    assert {one.over for one in record.margins} == {"blank-image", "text-only", "majority"}


def test_the_text_of_the_language_model_is_read_as_by_its_own_measurement(
    store: Store, record: EvaluationRecord, answers: list[Answer]
) -> None:
    asked = open_shard(store, ShardRef(record.tasks_path, record.tasks, 0))
    reader = Reader(resolve_model("bundled:mini-llm"))
    captions = asked.table("captions.parquet", PROBES)["prompt"].to_pylist()
    followed = reader.follow([("", text) for text in captions])
    for condition in ("text-only", "language-model"):
        for text, ours, own in zip(
            captions, of(answers, "captions", condition).values(), followed, strict=True
        ):
            tokens = len(reader.tokenizer(text, add_special_tokens=False).input_ids)
            # Ours has not the end of the text, whose likelihood can only lower the sum.
            assert own.log_likelihood * (tokens + 1) <= ours.score + 1e-4
            assert ours.score <= own.log_likelihood * (tokens + 1) + 5.0
            assert ours.weight == len(text.split())
        judged = record.result("judging", condition)
        assert judged is not None
        assert judged.estimate.value >= 0.9
    before, after = (record.result("captions", name) for name in ("language-model", "text-only"))
    assert before is not None
    assert after is not None
    assert after.estimate.value == pytest.approx(before.estimate.value, rel=1e-4)


def test_an_answer_with_the_image_is_what_transformers_generates(
    store: Store, model: Path, record: EvaluationRecord, answers: list[Answer]
) -> None:
    asked = open_shard(store, ShardRef(record.tasks_path, record.tasks, 0))
    rows = asked.table(QUESTIONS_FILE, QUESTIONS).to_pylist()[:6]
    processor = AutoProcessor.from_pretrained(model)
    network = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32).eval()
    found = of(answers, "scene-vqa", "image")
    for row in rows:
        picture = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
        content = [{"type": "image", "image": picture}, {"type": "text", "text": row["prompt"]}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        if inputs.input_ids[0, :2].tolist() == [processor.tokenizer.bos_token_id] * 2:
            inputs = {
                **inputs,
                "input_ids": inputs["input_ids"][:, 1:],
                "attention_mask": inputs["attention_mask"][:, 1:],
            }
        with torch.no_grad():
            ids = network.generate(**inputs, max_new_tokens=4, do_sample=False)
        said = processor.tokenizer.decode(
            ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        assert found[row["question_id"]].answer == said.strip()


def test_a_second_evaluation_finds_the_first(
    store: Store, model: Path, done: ShardRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthvlm.evaluation import lm_harness

    monkeypatch.delattr(lm_harness, "Harness")
    ref = evaluate(request_of(store, {"folder": str(model)}), SILENT)
    assert (ref.path, ref.digest) == (done.path, done.digest)


def test_a_killed_evaluation_goes_on_with_the_next_part_to_the_same_bytes(
    store: Store, model: Path, done: ShardRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model lies in the store here, where it is known by its manifest."""
    other = open_store(file_location(tmp_path / "store"))
    files = {path.name: path for path in model.iterdir()}
    shard = Commit(other, ShardKey("models", {})).finish(files, records=0)
    request = request_of(other, {"path": shard.path, "digest": shard.digest})

    class Killed(BaseException):
        pass

    class KillsAfterTheFirstPart:
        def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
            if done == 1:
                raise Killed

        def check(self) -> None: ...

    with pytest.raises(Killed):
        evaluate(request, KillsAfterTheFirstPart())
    monkeypatch.setattr(evaluation_module._Evaluation, "_scenes", None)
    ref = evaluate(request, SILENT)
    assert not other.list(f"{ref.path}/parts")
    here = open_shard(other, ref)
    assert here.manifest.model_digest == shard.digest != model_digest(model)
    assert here.read(ANSWERS_FILE) == open_shard(store, done).read(ANSWERS_FILE)


def test_what_is_no_model_is_said_to_be_none(store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(PreconditionFailed, match="cannot be loaded as a model"):
        evaluate(request_of(store, {"folder": str(tmp_path)}), SILENT)
