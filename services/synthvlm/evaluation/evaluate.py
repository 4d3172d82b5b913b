"""One evaluation from beginning to end: what is asked, by which harness, and the record of it."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from synthvlm.evaluation.answers import Scored, to_bytes
from synthvlm.evaluation.bootstrap import CONFIDENCE
from synthvlm.evaluation.config import MmluSettings
from synthvlm.evaluation.lmms_harness import ask_lmms, lmms_version, tasks_of
from synthvlm.evaluation.models import ModelSource, copied
from synthvlm.evaluation.request import EvaluationRequest
from synthvlm.evaluation.results import KIND, RECORD_FILE, EvaluatedModel, EvaluationRecord
from synthvlm.evaluation.summary import margins, summarised
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.progress import Reporter
from synthvlm.storage import (
    Commit,
    ShardKey,
    ShardRef,
    Store,
    open_shard,
    open_store,
    parse_location,
)
from synthvlm.storage.schemas import ANSWERS_FILE

CODE_VERSION: Final = 1
"""Raised whenever this code reads other results from the same answers."""

Work = Callable[[Path], Iterable[Scored]]
"""A part of an evaluation: what the model in a folder answers."""

_PART = TypeAdapter(list[Scored])


def evaluate(request: EvaluationRequest, reporter: Reporter) -> ShardRef:
    """Commits an evaluation, or finds it committed.

    Each part that is finished (the scenes, the language model, MMLU, a task of lmms-eval) is kept,
    so after a kill the same call goes on with the next one.

    Args:
        request: What to evaluate, and where.
        reporter: Told of finished parts.

    Raises:
        InvalidInput: A setting does not fit what is installed or stored.
        NotFound: The model does not exist.
        PreconditionFailed: A harness cannot run the model.
        DataCorrupt: Stored bytes, or a harness's files, are damaged.
        OperationCancelled: The caller has gone; finished parts stay.
    """
    store = open_store(parse_location(request.store))
    return _Evaluation(store, request).run(reporter)


class _Evaluation:
    def __init__(self, store: Store, request: EvaluationRequest) -> None:
        self._store = store
        self._name = request.name
        self._settings = request.settings()
        self._model = ModelSource(store, request.model)
        self._language_model = (
            resolve_model(self._settings.language_model) if self._settings.language_model else None
        )
        self._tasks = self._make_tasks()
        self._inputs = self._digests()
        self._harnesses = self._versions()

    def run(self, reporter: Reporter) -> ShardRef:
        configuration = {
            "name": self._name,
            "settings": self._settings.deciding(),
            "harnesses": self._harnesses,
        }
        key = ShardKey(KIND, self._inputs, configuration, self._model.digest, CODE_VERSION)
        commit = Commit(self._store, key)
        works = self._works()
        reporter.report(0, len(works))
        if ref := commit.find():
            reporter.report(len(works), len(works), resumed=len(works))
            return ref
        scored: list[Scored] = []
        resumed = 0
        with self._model.folder() as folder:
            for number, work in enumerate(works):
                part = commit.read_part(number)
                if part is None:
                    part = _PART.dump_json(list(work(folder)))
                    commit.write_part(number, part)
                else:
                    resumed += 1
                scored += _PART.validate_json(part)
                reporter.report(number + 1, len(works), resumed)
        record = EvaluationRecord(
            model=EvaluatedModel(name=self._name, digest=self._model.digest),
            language_model=self._inputs.get("language_model", ""),
            tasks=self._tasks.digest if self._tasks else "",
            tasks_path=self._tasks.path if self._tasks else "",
            harnesses=self._harnesses,
            settings=self._settings.deciding(),
            confidence=CONFIDENCE,
            results=[summarised(one) for one in scored],
            margins=margins(scored),
        )
        answers = [answer for one in scored for answer in one.answers]
        return commit.finish(
            {
                RECORD_FILE: record.model_dump_json(indent=2).encode(),
                ANSWERS_FILE: to_bytes(answers),
            },
            records=len(answers),
        )

    def _make_tasks(self) -> ShardRef | None:
        if self._settings.scenes is None:
            return None
        from synthvlm.evaluation.mini_tasks import make_tasks

        return make_tasks(self._store, self._settings.scenes)

    def _digests(self) -> dict[str, str]:
        found = {}
        if self._tasks:
            found["tasks"] = self._tasks.digest
        if self._language_model is not None:
            found["language_model"] = model_digest(self._language_model)
        if self._settings.mmlu:
            found["mmlu"] = model_digest(resolve_model(str(self._settings.mmlu.folder)))
        return found

    def _versions(self) -> dict[str, str]:
        versions = {}
        if self._settings.scenes or self._settings.mmlu:
            versions["lm-eval"] = version("lm-eval")
        if self._settings.lmms:
            versions["lmms-eval"] = lmms_version(self._settings.lmms)
        return versions

    def _works(self) -> list[Work]:
        """The parts of the evaluation, always in the same order."""
        works: list[Work] = []
        if self._settings.scenes:
            works.append(self._scenes)
            if self._language_model is not None:
                works.append(partial(self._texts_before, self._language_model))
        if mmlu := self._settings.mmlu:
            works.append(partial(self._mmlu, mmlu))
        if lmms := self._settings.lmms:
            for task, names in tasks_of(lmms).items():
                works.append(partial(ask_lmms, self._settings, lmms, task, names))
        return works

    def _scenes(self, folder: Path) -> Iterator[Scored]:
        from synthvlm.evaluation.lm_harness import Harness
        from synthvlm.evaluation.mini_harness import ask_vision_model

        harness = Harness("hf-multimodal", folder, self._settings)
        with self._task_files() as tasks:
            yield from ask_vision_model(harness, tasks)

    def _texts_before(self, language_model: Path, folder: Path) -> Iterator[Scored]:
        del folder  # not the model, but what it was made from
        from synthvlm.evaluation.lm_harness import Harness
        from synthvlm.evaluation.mini_harness import ask_language_model

        harness = Harness("hf", language_model, self._settings)
        with self._task_files() as tasks:
            yield from ask_language_model(harness, tasks)

    def _mmlu(self, mmlu: MmluSettings, folder: Path) -> Iterator[Scored]:
        from synthvlm.evaluation.lm_harness import Harness
        from synthvlm.evaluation.mmlu import ask_mmlu

        with tempfile.TemporaryDirectory(prefix="synthvlm-mmlu-") as work:
            yield from ask_mmlu(Harness("hf-multimodal", folder, self._settings), mmlu, Path(work))

    @contextmanager
    def _task_files(self) -> Iterator[Path]:
        if self._tasks is None:
            raise ValueError("an evaluation without scenes has no tasks of its own")
        with copied(open_shard(self._store, self._tasks)) as folder:
            yield folder
