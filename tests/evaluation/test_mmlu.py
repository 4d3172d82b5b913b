"""MMLU as lm-eval asks it, from a local folder with two subjects."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthvlm.errors import InvalidInput
from synthvlm.evaluation.config import EvaluationSettings, MmluSettings
from synthvlm.evaluation.lm_harness import Harness, Samples
from synthvlm.evaluation.mmlu import ask_mmlu
from synthvlm.evaluation.summary import summarised

SUBJECTS = ("anatomy", "virology")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout of cais/mmlu: a configuration a subject, with dev and test."""
    folder = tmp_path_factory.mktemp("mmlu")
    listed = ["---", "configs:"]
    for subject in SUBJECTS:
        listed += [f"- config_name: {subject}", "  data_files:"]
        for split, rows in (("dev", 5), ("test", 4)):
            listed += [f"  - split: {split}", f"    path: {subject}/{split}.parquet"]
            (folder / subject).mkdir(exist_ok=True)
            table = pa.table(
                {
                    "question": [f"how many stars are there in {split} {n}?" for n in range(rows)],
                    "subject": [subject] * rows,
                    "choices": [["one", "two", "three", "four"]] * rows,
                    "answer": pa.array([n % 4 for n in range(rows)], pa.int64()),
                }
            )
            pq.write_table(table, folder / subject / f"{split}.parquet")
    (folder / "README.md").write_text("\n".join([*listed, "---", ""]))
    return folder


@pytest.fixture(scope="module")
def harness(model: Path) -> Harness:
    settings = EvaluationSettings(mmlu=MmluSettings(folder=Path("/x")), threads=1, batch_size=8)
    return Harness("hf-multimodal", model, settings)


def test_all_questions_of_the_subjects_are_answered_by_letter(
    harness: Harness, folder: Path, tmp_path: Path
) -> None:
    settings = MmluSettings(folder=folder, subjects=list(SUBJECTS), shots=1)
    (scored,) = ask_mmlu(harness, settings, tmp_path)
    assert len(scored.answers) == 8
    for one in scored.answers:
        assert one.truth == "ABCD"[int(one.question_id[-1])]
        assert one.answer in "ABCD"
        assert one.score == float(one.answer == one.truth)
    result = summarised(scored)
    assert [group.name for group in result.groups] == list(SUBJECTS)
    assert result.estimate.questions == 8


@pytest.mark.parametrize("shots", [0, 2])
def test_questions_follow_as_many_examples_as_are_asked_for(
    harness: Harness,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shots: int,
) -> None:
    asked: list[Samples] = []
    run = harness.run

    def listening(*arguments: Any, **options: Any) -> Samples:
        asked.append(run(*arguments, **options))
        return asked[-1]

    monkeypatch.setattr(harness, "run", listening)
    settings = MmluSettings(folder=folder, subjects=["anatomy"], shots=shots)
    list(ask_mmlu(harness, settings, tmp_path))
    for sample in asked[0]["mmlu_anatomy"]:
        prompt = sample["arguments"][0][0]
        assert prompt.count("how many stars are there in dev") == shots
        assert prompt.count("how many stars are there in test") == 1


def test_what_is_not_there_is_said(harness: Harness, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no subjects \\['alchemy'\\]"):
        list(ask_mmlu(harness, MmluSettings(folder=folder, subjects=["alchemy"]), tmp_path))
    with pytest.raises(InvalidInput, match="copy the data set cais/mmlu"):
        list(ask_mmlu(harness, MmluSettings(folder=folder / "absent"), tmp_path))
