"""The tasks of the scene world: YAML for lm-eval over Parquet files, committed as a shard."""

import io
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, Final

import pyarrow as pa
from PIL import Image

from synthvlm.evaluation.config import SceneSettings
from synthvlm.scenes.captions import describe
from synthvlm.scenes.mini_models.lessons import BADNESS, JUDGE, MIX, NO, YES, about, sample_judged
from synthvlm.scenes.questions import KINDS, Question, sample_questions
from synthvlm.scenes.render import render
from synthvlm.scenes.world import SIZE, Scene, sample_scene
from synthvlm.storage import Commit, ShardKey, ShardRef, Store
from synthvlm.storage.schemas import PROBES, QUESTIONS, QUESTIONS_FILE
from synthvlm.storage.tables import table_bytes

KIND: Final = "tasks"
CODE_VERSION: Final = 1
"""Raised whenever this code asks other questions."""

SCENE_VQA: Final = "scene-vqa"
CAPTIONS: Final = "captions"
JUDGING: Final = "judging"

_GREY: Final = (128, 128, 128)
"""The empty picture: a colour that no background has."""


def make_tasks(store: Store, settings: SceneSettings) -> ShardRef:
    """Commits the tasks, or finds them committed.

    The shard is complete in itself: ``lm_eval --include_path`` runs it from a copy of its folder.
    """
    key = ShardKey(KIND, {}, settings.model_dump(mode="json"), code_version=CODE_VERSION)
    commit = Commit(store, key)
    if ref := commit.find():
        return ref
    questions = table_bytes(
        pa.Table.from_pylist(list(_question_rows(settings)), QUESTIONS), QUESTIONS
    )
    tables = {
        QUESTIONS_FILE: questions,
        f"{CAPTIONS}.parquet": _probes(_caption_rows(settings)),
        f"{JUDGING}.parquet": _probes(_judging_rows(settings)),
    }
    folder = files(__package__) / "tasks"
    texts = {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(".yaml")}
    return commit.finish({**tables, **texts}, records=settings.scenes)


def sample_exam(settings: SceneSettings) -> Iterator[tuple[Scene, list[Question]]]:
    """Drawn scenes, each with some questions of the kinds that were asked least so far."""
    asked: Counter[str] = Counter()
    for scene, questions in sample_questions(settings.seed, settings.scenes):
        rarest = sorted(questions, key=lambda one: (asked[one.kind], KINDS.index(one.kind)))
        chosen = rarest[: settings.questions_per_scene]
        asked.update(one.kind for one in chosen)
        yield scene, chosen


def _question_rows(settings: SceneSettings) -> Iterator[dict[str, Any]]:
    blank = _png(Image.new("RGB", (SIZE, SIZE), _GREY))
    for number, (scene, questions) in enumerate(sample_exam(settings)):
        image = _png(Image.fromarray(render(scene)))
        name = f"scene-{number:06d}"
        for question in questions:
            yield {
                "question_id": f"{name}-{question.kind}",
                "cluster": name,
                "kind": question.kind,
                "prompt": question.question,
                "answer": question.answer,
                "things": str(len(scene.things)),
                "image": {"bytes": image, "path": f"{name}.png"},
                "blank": {"bytes": blank, "path": "blank.png"},
            }


def _caption_rows(settings: SceneSettings) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"captions {settings.seed}")
    for number in range(settings.texts):
        text = describe(sample_scene(rng, MIX), rng)
        yield _probe(f"{CAPTIONS}-{number:06d}", "caption", text, "")


def _judging_rows(settings: SceneSettings) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"judging {settings.seed}")
    for number in range(settings.texts):
        flaw = None if number % 2 else BADNESS[number // 2 % len(BADNESS)]
        judged = sample_judged(rng, flaw)
        prompt = about(judged.caption, JUDGE[0])
        yield _probe(f"{JUDGING}-{number:06d}", flaw or "good", prompt, YES if flaw is None else NO)


def _probe(name: str, kind: str, prompt: str, answer: str) -> dict[str, Any]:
    return {
        "question_id": name,
        "cluster": name,
        "kind": kind,
        "prompt": prompt,
        "answer": answer,
    }


def _probes(rows: Iterable[dict[str, Any]]) -> bytes:
    return table_bytes(pa.Table.from_pylist(list(rows), PROBES), PROBES)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
