"""Where a job finds its request."""

from pathlib import Path

import pytest

from synthvlm.errors import InvalidInput
from synthvlm.evaluation.request import read_request as read_evaluation
from synthvlm.jobs.asked import REQUEST_VARIABLE, request_content
from synthvlm.training.request import read_request as read_training

DIGEST = f"sha256:{'0' * 64}"
TRAINING = (
    f'{{"dataset": {{"store": "s3://b", "path": "d/1", "digest": "{DIGEST}"}}, "store": "s3://b"}}'
)
EVALUATION = f'{{"name": "a", "store": "s3://b", "model": {{"path": "m", "digest": "{DIGEST}"}}}}'


def test_a_file_goes_before_the_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(REQUEST_VARIABLE, "of the environment")
    (tmp_path / "request.json").write_text("of the file")
    assert request_content(tmp_path / "request.json") == b"of the file"
    assert request_content(None) == b"of the environment"


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(REQUEST_VARIABLE, raising=False)
    with pytest.raises(InvalidInput, match=f"--request, or set {REQUEST_VARIABLE}"):
        request_content(None)
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        request_content(tmp_path / "none.json")


def test_both_jobs_are_asked_by_the_environment(monkeypatch) -> None:
    monkeypatch.setenv(REQUEST_VARIABLE, TRAINING)
    assert read_training(None).dataset.path == "d/1"
    monkeypatch.setenv(REQUEST_VARIABLE, EVALUATION)
    assert read_evaluation(None).model.path == "m"
    monkeypatch.setenv(REQUEST_VARIABLE, '{"store": 1}')
    for read in (read_training, read_evaluation):
        with pytest.raises(InvalidInput, match=REQUEST_VARIABLE) as wrong:
            read(None)
        assert wrong.value.violations
