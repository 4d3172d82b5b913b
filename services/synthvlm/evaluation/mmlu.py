"""MMLU as lm-eval asks it, from a local copy of the data set."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml
from lm_eval.tasks import TaskManager

from synthvlm.errors import InvalidInput
from synthvlm.evaluation.answers import Answer, Scored
from synthvlm.evaluation.config import MmluSettings
from synthvlm.evaluation.lm_harness import Harness

MMLU: Final = "mmlu"
_TEMPLATE: Final = "_default_template_yaml"


def ask_mmlu(harness: Harness, settings: MmluSettings, work: Path) -> Iterator[Scored]:
    """All questions of the subjects, without a chat template, as MMLU is usually reported.

    Args:
        harness: The model.
        settings: Where the data set is, and what to ask of it.
        work: A folder for lm-eval's task files.

    Raises:
        InvalidInput: A subject is unknown.
    """
    known = _local_tasks(settings.folder, work)
    subjects = settings.subjects or sorted(known)
    if unknown := sorted(set(subjects) - known):
        raise InvalidInput(f"evaluation.mmlu.subjects: MMLU has no subjects {unknown}")
    manager = TaskManager(include_path=str(work), include_defaults=False)
    names = {f"{MMLU}_{subject}": subject for subject in subjects}
    samples = harness.run(list(names), manager, settings.shots, conversation=False)
    answers = []
    for name, subject in sorted(names.items()):
        for sample in samples[name]:
            likelihoods = [float(response[0]) for response in sample["filtered_resps"]]
            letters = "ABCD"
            number = f"{subject}-{int(sample['doc_id']):06d}"
            answers.append(
                Answer(
                    benchmark=MMLU,
                    condition="text-only",
                    question_id=number,
                    cluster=number,
                    question=sample["doc"]["question"],
                    truth=letters[int(sample["doc"]["answer"])],
                    answer=letters[likelihoods.index(max(likelihoods))],
                    score=float(sample["acc"]),
                    groups={"subject": subject},
                )
            )
    yield Scored(MMLU, "text-only", "acc", "share", "lm-eval", answers)


def _local_tasks(folder: Path, work: Path) -> set[str]:
    """Writes lm-eval's own tasks with the data set's place changed; the subjects."""
    if not folder.is_dir():
        raise InvalidInput(
            f"evaluation.mmlu.folder: {folder} is not a folder; copy the data set cais/mmlu to it"
        )
    subjects = set()
    for task in (files("lm_eval") / "tasks" / MMLU / "default").iterdir():
        text = task.read_text(encoding="utf-8")
        if task.name == _TEMPLATE:
            content = yaml.safe_load(text)
            content["dataset_path"] = str(folder)
            content["dataset_kwargs"] = {"cache_dir": str(work / "cache")}
            text = yaml.safe_dump(content, sort_keys=False)
        elif task.name.startswith(f"{MMLU}_"):
            subjects.add(task.name.removeprefix(f"{MMLU}_").removesuffix(".yaml"))
        else:
            continue
        (work / task.name).write_text(text, encoding="utf-8")
    return subjects
