"""lmms-eval, run as a command in an environment of its own, and its files read into answers.

Its format is that of 0.7: ``<time>_results.json`` with ``results[task]["metric,filter"]``, and
``<time>_samples_<task>.jsonl`` with one question a line, whose metric is a number or an object.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from synthvlm.errors import DataCorrupt, PreconditionFailed
from synthvlm.evaluation.answers import Answer, Scored
from synthvlm.evaluation.benchmarks import BENCHMARKS, Benchmark
from synthvlm.evaluation.config import EvaluationSettings, LmmsSettings

_AGREE: Final = 0.006
"""By how much the mean of the answers may be off the harness's figure, which it may round."""

_VERSION: Final = "from importlib.metadata import version; print(version('lmms-eval'))"


def lmms_version(settings: LmmsSettings) -> str:
    """The installed version of lmms-eval.

    Raises:
        PreconditionFailed: The interpreter is missing, or has no lmms-eval.
    """
    return _run([str(settings.python), "-c", _VERSION]).strip()


def tasks_of(settings: LmmsSettings) -> dict[str, list[str]]:
    """The benchmarks to read from each task of lmms-eval."""
    tasks: dict[str, list[str]] = {}
    for name in settings.benchmarks:
        tasks.setdefault(BENCHMARKS[name].task, []).append(name)
    return tasks


def lmms_command(
    settings: EvaluationSettings, lmms: LmmsSettings, model: Path, task: str, output: Path
) -> list[str]:
    """The command that lets a model answer a task; its files will be below ``output``."""
    return [
        *(str(lmms.python), "-m", "lmms_eval"),
        *("--model", lmms.model),
        *("--model_args", f"pretrained={model},dtype={settings.dtype}"),
        *("--tasks", task),
        *("--device", settings.device),
        *("--batch_size", str(lmms.batch_size)),
        *("--output_path", str(output)),
        "--log_samples",
    ]


def ask_lmms(
    settings: EvaluationSettings, lmms: LmmsSettings, task: str, names: list[str], model: Path
) -> Iterator[Scored]:
    """Runs one task and reads its benchmarks.

    Raises:
        PreconditionFailed: lmms-eval failed; the message has the end of what it said.
        DataCorrupt: Its files are not of the known format.
    """
    with tempfile.TemporaryDirectory(prefix="synthvlm-lmms-") as folder:
        _run(lmms_command(settings, lmms, model, task, Path(folder)))
        for name in names:
            yield read_results(Path(folder), name)


def read_results(folder: Path, name: str) -> Scored:
    """Reads a benchmark from the newest files below ``folder``.

    The figure is lmms-eval's. Where it is the mean of the questions' scores, that is checked, and
    the answers give the interval; a figure that is made in another way has none.

    Raises:
        DataCorrupt: There are no files, or they are not of the known format.
    """
    benchmark = BENCHMARKS[name]
    found = sorted(folder.rglob("*_results.json"), key=lambda path: path.name)
    if not found:
        raise DataCorrupt(f"lmms-eval has left no file *_results.json in {folder}")
    results = found[-1]
    value = _value(results, benchmark) / benchmark.scale
    samples = results.with_name(
        results.name.replace("_results.json", f"_samples_{benchmark.task}.jsonl")
    )
    try:
        lines = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
        measured = [line for line in lines if benchmark.metric in line]
        answers = [one for line in measured if (one := _answer(name, line)) is not None]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataCorrupt(f"{samples} is not a file of lmms-eval's answers: {error}") from error
    if not measured:
        raise DataCorrupt(f"{samples} has no answers with the metric {benchmark.metric}")
    whole: float | None = value
    if benchmark.unit == "share" and answers:
        mean = sum(one.score for one in answers) / len(answers)
        if abs(mean - value) > _AGREE:
            raise DataCorrupt(
                f"{results} gives {value:.4f} for {name}, but the answers of {samples.name} have "
                f"the mean {mean:.4f}"
            )
        whole = None
    return Scored(
        name,
        "image",
        benchmark.metric,
        benchmark.unit,
        "lmms-eval",
        answers,
        value=whole,
        questions=len(measured),
    )


def _value(results: Path, benchmark: Benchmark) -> float:
    try:
        metrics: Mapping[str, Any] = json.loads(results.read_text(encoding="utf-8"))["results"][
            benchmark.task
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DataCorrupt(f"{results} has no results of {benchmark.task}") from error
    for name, value in metrics.items():
        if name.partition(",")[0] == benchmark.metric and isinstance(value, int | float):
            return float(value)
    raise DataCorrupt(
        f"{results} has no figure of {benchmark.metric} for {benchmark.task}"
        + ("; its judge has not answered" if benchmark.judged else "")
    )


def _answer(name: str, line: Mapping[str, Any]) -> Answer | None:
    """One question's answer; None where the file does not say how good it is."""
    measure = line[BENCHMARKS[name].metric]
    about = measure if isinstance(measure, Mapping) else {"score": measure}
    if "score" not in about:
        return None
    number = str(line["doc_id"])
    groups = {"category": str(about["category"])} if "category" in about else {}
    said = line["filtered_resps"]
    return Answer(
        benchmark=name,
        condition="image",
        question_id=number,
        # MME asks two questions about an image and calls both by its name.
        cluster=str(about.get("question_id", number)),
        question=_text(line.get("input", "")),
        truth=str(line["target"]),
        answer=_text(said),
        score=float(about["score"]),
        groups=groups,
    )


def _text(value: Any) -> str:
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PreconditionFailed(
            f"evaluation.lmms.python: {command[0]} cannot be run: {error}; give the Python "
            f"interpreter of an environment with lmms-eval"
        ) from error
    if done.returncode:
        tail = " | ".join(done.stderr.strip().splitlines()[-5:])
        raise PreconditionFailed(
            f"lmms-eval failed with status {done.returncode}: {tail}",
            {"command": " ".join(command)},
        )
    return done.stdout
