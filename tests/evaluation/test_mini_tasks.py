"""The exam of the scene world: what is asked, and that it asks nothing that was taught."""

import io
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

from synthvlm.evaluation.config import SceneSettings
from synthvlm.evaluation.mini_tasks import make_tasks, sample_exam
from synthvlm.scenes.questions import KINDS
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import PROBES, QUESTIONS, QUESTIONS_FILE


def test_kinds_are_asked_equally_often() -> None:
    settings = SceneSettings(scenes=300, questions_per_scene=2)
    asked = Counter(one.kind for _, questions in sample_exam(settings) for one in questions)
    assert set(asked) == set(KINDS)
    assert max(asked.values()) - min(asked.values()) <= 3
    every = list(sample_exam(SceneSettings(scenes=20, questions_per_scene=len(KINDS))))
    assert max(len(questions) for _, questions in every) >= len(KINDS) - 1


def test_the_same_settings_give_the_same_tasks(tmp_path: Path) -> None:
    settings = SceneSettings(scenes=6, questions_per_scene=2, texts=8)
    one, other = (open_store(file_location(tmp_path / name)) for name in ("one", "other"))
    ref = make_tasks(one, settings)
    assert make_tasks(other, settings) == make_tasks(one, settings) == ref
    assert make_tasks(one, SceneSettings(scenes=6, texts=8, seed=990_002)) != ref
    shard = open_shard(one, ref)
    rows = shard.table(QUESTIONS_FILE, QUESTIONS).to_pylist()
    assert len({row["question_id"] for row in rows}) == len(rows) == 12
    pictures = [Image.open(io.BytesIO(row[name]["bytes"])) for row in rows for name in ("image",)]
    assert {picture.size for picture in pictures} == {(64, 64)}
    assert all(len(picture.convert("RGB").getcolors(4096) or ()) > 1 for picture in pictures)
    blank = Image.open(io.BytesIO(rows[0]["blank"]["bytes"])).convert("RGB")
    assert len(blank.getcolors(4096) or ()) == 1
    judged = shard.table("judging.parquet", PROBES).to_pylist()
    assert Counter(row["answer"] for row in judged) == {"Yes": 4, "No": 4}
    for name in ("scene-vqa", "scene-vqa-blank", "scene-vqa-text", "captions", "judging"):
        assert yaml.safe_load(shard.read(f"{name}.yaml"))["task"] == name


def test_the_exam_has_seeds_of_its_own() -> None:
    with pytest.raises(ValidationError):
        SceneSettings(seed=7)
