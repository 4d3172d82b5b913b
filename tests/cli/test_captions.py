"""``synthvlm captions evaluate`` through the real process: what a run would read of a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = "a small red circle on a white background, and nothing else."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def evaluate(home: Path, *arguments: str, given: bytes = b"") -> tuple[str, str]:
    answer = subprocess.run(
        [sys.executable, "-m", "synthvlm.cli", "captions", "evaluate", *arguments],
        env={**os.environ, "SYNTHVLM_HOME": str(home), "TERM": "dumb"},
        input=given,
        capture_output=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr.decode()
    return answer.stdout.decode(), answer.stderr.decode()


def test_what_is_read_and_what_is_wrong_with_it_is_shown(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_text(f"image,caption\n1.jpg,{GOOD}\n\n2.jpg,[bold]{GOOD}\n")
    out, err = evaluate(home, str(file))
    assert "'1.jpg,a small red circle" in out
    assert "not readable: empty_line" in out
    assert "captions.txt:3: empty_line" in err
    warnings = [line for line in err.splitlines() if line.startswith("warning: captions.txt: ")]
    assert len(warnings) == 2
    assert "the file looks like a table" in err
    out, err = evaluate(home, str(file), "--format", "csv", "--columns", "file,caption,rest")
    assert "wrong_number_of_columns" in out


def test_standard_input_with_a_layout(home: Path) -> None:
    given = f"1.jpg|{GOOD}\n2.jpg|{GOOD}\n".encode()
    options = ["--format", "csv", "--delimiter", "|", "--columns", "file,caption"]
    out, err = evaluate(home, "-", *options, "--id-column", "file", "--json", given=given)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(answer["id"], answer["text"]) for answer in answers] == [
        ("1.jpg", GOOD),
        ("2.jpg", GOOD),
    ]
    assert err == ""
