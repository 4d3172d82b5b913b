"""lmms-eval: the command, and its files in its published format."""

import json
import sys
from pathlib import Path

import pytest

from synthvlm.errors import DataCorrupt, PreconditionFailed
from synthvlm.evaluation import answers as answer_table
from synthvlm.evaluation.benchmarks import BENCHMARKS
from synthvlm.evaluation.comparison import record_of
from synthvlm.evaluation.config import EvaluationSettings, LmmsSettings
from synthvlm.evaluation.evaluate import evaluate
from synthvlm.evaluation.lmms_harness import ask_lmms, lmms_command, read_results, tasks_of
from synthvlm.evaluation.request import EvaluationRequest
from synthvlm.evaluation.summary import summarised
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_shard, open_store
from tests.evaluation.lmms_files import write_results

FILES = Path(__file__).with_name("lmms_files.py")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter whose lmms-eval writes the files of this folder's module."""
    modules = tmp_path / "lmms" / "modules"
    (modules / "lmms_eval-0.7.3.dist-info").mkdir(parents=True)
    (modules / "lmms_eval-0.7.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lmms-eval\nVersion: 0.7.3\n"
    )
    (modules / "lmms_eval.py").write_text(FILES.read_text())
    python = tmp_path / "lmms" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={modules} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def test_the_mean_of_the_answers_has_an_interval_and_agrees_with_the_figure(
    tmp_path: Path,
) -> None:
    write_results(tmp_path, "pope")
    scored = read_results(tmp_path, "pope")
    result = summarised(scored)
    assert (result.harness, result.metric) == ("lmms-eval", "pope_accuracy")
    assert result.estimate.value == 0.75
    assert result.estimate.low is not None
    assert result.estimate.low < 0.75
    assert scored.answers[1].truth == "yes"
    assert scored.answers[1].answer == "Yes"
    write_results(tmp_path, "mmvet")
    assert summarised(read_results(tmp_path, "mm-vet")).estimate.value == pytest.approx(0.4)


def test_points_are_the_harness_s_own_and_have_none(tmp_path: Path) -> None:
    write_results(tmp_path, "mme")
    scored = read_results(tmp_path, "mme-perception")
    result = summarised(scored)
    assert (result.unit, result.estimate.value, result.estimate.low) == ("points", 200.0, None)
    assert result.estimate.questions == 4
    assert {one.cluster for one in scored.answers} == {"count/0.jpg", "count/1.jpg"}
    assert summarised(read_results(tmp_path, "mme-cognition")).estimate.questions == 2


def test_a_judged_figure_stands_even_if_single_answers_have_no_score(tmp_path: Path) -> None:
    write_results(tmp_path, "mmbench_en_dev")
    scored = read_results(tmp_path, "mmbench")
    assert scored.answers == []
    assert summarised(scored).estimate.value == pytest.approx(0.643)


def test_the_newest_files_are_read(tmp_path: Path) -> None:
    old = write_results(tmp_path, "gqa", time="20250101_000000")
    old.write_text("damaged")
    write_results(tmp_path, "gqa")
    assert read_results(tmp_path, "gqa").answers[0].answer == "blue"


def test_files_of_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataCorrupt, match="has left no file"):
        read_results(tmp_path, "gqa")
    results = write_results(tmp_path, "gqa")
    content = json.loads(results.read_text())
    content["results"]["gqa"]["exact_match,none"] = 0.9
    results.write_text(json.dumps(content))
    with pytest.raises(DataCorrupt, match=r"have the mean 0\.7500"):
        read_results(tmp_path, "gqa")
    content["results"]["gqa"] = {"gpt_eval_score,none": None}
    results.write_text(json.dumps(content))
    with pytest.raises(DataCorrupt, match="no figure of exact_match"):
        read_results(tmp_path, "gqa")
    with pytest.raises(DataCorrupt, match="no results of pope"):
        read_results(tmp_path, "pope")
    results.with_name(results.name.replace("_results.json", "_samples_gqa.jsonl")).unlink()
    write_results(tmp_path, "gqa").with_name("20260301_120000_samples_gqa.jsonl").write_text("{}\n")
    with pytest.raises(DataCorrupt, match="no answers with the metric"):
        read_results(tmp_path, "gqa")


def test_the_command_asks_for_files_of_every_answer(python: Path) -> None:
    lmms = LmmsSettings(python=python)
    settings = EvaluationSettings(lmms=lmms, device="cuda:0", dtype="bfloat16")
    command = lmms_command(settings, lmms, Path("/m"), "gqa", Path("/out"))
    assert command[:3] == [str(python), "-m", "lmms_eval"]
    assert "--log_samples" in command
    options = dict(zip(command[3:-1:2], command[4::2], strict=True))
    assert options["--model_args"] == "pretrained=/m,dtype=bfloat16"
    assert options["--device"] == "cuda:0"
    tasks = tasks_of(lmms)
    assert tasks["mme"] == ["mme-perception", "mme-cognition"]
    assert sorted(name for names in tasks.values() for name in names) == sorted(BENCHMARKS)


def test_an_evaluation_by_lmms_eval_has_the_same_record(python: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    store = open_store(file_location(tmp_path / "store"))
    request = EvaluationRequest.model_validate(
        {
            "name": "published",
            "store": store.uri,
            "model": {"folder": str(model)},
            "evaluation": {
                "scenes": None,
                "language_model": "",
                "lmms": {"python": str(python), "benchmarks": ["gqa", "pope", "mme-perception"]},
            },
        }
    )
    shard = open_shard(store, evaluate(request, SILENT))
    record = record_of(shard)
    assert record.harnesses == {"lmms-eval": "0.7.3"}
    assert record.tasks == ""
    found = {one.benchmark: one.estimate.value for one in record.results}
    assert found == {"gqa": 0.75, "pope": 0.75, "mme-perception": 200.0}
    assert len(answer_table.from_shard(shard)) == 4 + 8 + 4


def test_a_failing_harness_is_quoted(python: Path, tmp_path: Path) -> None:
    lmms = LmmsSettings(python=python, benchmarks=["vqav2"])
    settings = EvaluationSettings(lmms=lmms)
    with pytest.raises(PreconditionFailed, match="no such data set in the cache"):
        list(ask_lmms(settings, lmms, "vqav2_val", ["vqav2"], tmp_path))
    absent = LmmsSettings(python=tmp_path / "absent")
    with pytest.raises(PreconditionFailed, match="cannot be run"):
        list(ask_lmms(settings, absent, "gqa", ["gqa"], tmp_path))
