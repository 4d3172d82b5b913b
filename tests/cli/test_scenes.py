"""``synthvlm scenes``: sheets, caption pools and questions from the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from synthvlm.cli.__main__ import run
from synthvlm.scenes.captions import sample_captions
from synthvlm.scenes.questions import sample_questions


def test_show_writes_a_sheet_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "sheet.png"
    assert run(["scenes", "show", "--seed", "3", "--count", "2", "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    with Image.open(out) as sheet:
        assert sheet.width > 2 * 192


def test_captions_are_a_pool(tmp_path: Path) -> None:
    out = tmp_path / "pool.jsonl"
    options = ["--seed", "5", "--count", "30", "--flawed", "0.5", "--out", str(out)]
    assert run(["scenes", "captions", *options]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["caption"] for line in lines] == [c.caption for c in sample_captions(5, 30, 0.5)]


def test_questions_for_programs_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenes", "questions", "--seed", "5", "--count", "3", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [
        {"scene": n, "kind": q.kind, "question": q.question, "answer": q.answer}
        for n, (_, asked) in enumerate(sample_questions(5, 3), start=1)
        for q in asked
    ]
    assert lines == expected


def test_questions_for_people_show_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenes", "questions", "--seed", "5", "--count", "1"]) == 0
    shown = capsys.readouterr().out
    ((_, asked),) = sample_questions(5, 1)
    assert "scene 1" in shown
    assert all(question.answer in shown for question in asked)
