"""A cell: one model, trained on an arm's pairs with a seed, and what it answers."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchmarks.reproduce.arms import Seed
from synthvlm.caption_mix import things_of
from synthvlm.evaluation.request import EvaluationRequest, ModelLocation
from synthvlm.jobs.events import JobEvent
from synthvlm.jobs.launch import evaluation_command, run_job, training_command
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.scenes.oracle import judge
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.training.request import DatasetVersion, TrainingRequest
from synthvlm.training.samples import VersionLocation, VersionPairs

KIND: Final = "cells"
CODE_VERSION: Final = 1
"""Raised whenever this code gives another cell of the same design."""

CELL_FILE: Final = "cell.json"

_Returned = TypeVar("_Returned")


class Cell(BaseModel):
    """A finished cell.

    Attributes:
        version: The dataset version.
        model: The trained model.
        evaluation: Its evaluation.
        pairs: Pairs of the version.
        true: Share of them whose caption is true of the image, by the scene world's oracle.
        things: Mean number of things in a caption: how simple the captions are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    seed: int
    version: ShardRef
    model: ShardRef
    evaluation: ShardRef
    pairs: int
    true: float
    things: float


@dataclass(frozen=True)
class CellWork:
    """What makes a cell.

    Attributes:
        of: The pools of its seed.
        arm: Its arm.
        version: The arm's version, made beforehand.
    """

    of: Seed
    arm: str
    version: ShardRef

    def find(self) -> Cell | None:
        """The cell, if it is finished."""
        ref = self._commit().find()
        if ref is None:
            return None
        return Cell.model_validate_json(open_shard(self.of.store, ref).read(CELL_FILE))

    def make(self) -> Cell:
        """Trains and evaluates; both go on where a killed attempt stopped.

        Raises:
            JobFailed: A job failed; the message says why.
            OperationCancelled: A job was told to end.
        """
        model = _ref(run_job("training", training_command(1), self._training))
        evaluation = _ref(run_job("evaluation", evaluation_command(), self._evaluation(model)))
        true, things = _described(self.of.store, self.version)
        cell = Cell(
            arm=self.arm,
            seed=self.of.seed,
            version=self.version,
            model=model,
            evaluation=evaluation,
            pairs=self.version.records,
            true=true,
            things=things,
        )
        self._commit().finish({CELL_FILE: cell.model_dump_json(indent=2).encode()}, records=1)
        return cell

    @property
    def _training(self) -> TrainingRequest:
        uri = self.of.store.uri
        return TrainingRequest(
            dataset=DatasetVersion(store=uri, path=self.version.path, digest=self.version.digest),
            store=uri,
            training={**self.of.design.training, "seed": self.of.seed},
        )

    def _evaluation(self, model: ShardRef) -> EvaluationRequest:
        return EvaluationRequest(
            name=f"{self.arm}-{self.of.seed}",
            store=self.of.store.uri,
            model=ModelLocation(path=model.path, digest=model.digest),
            evaluation=self.of.design.evaluation,
        )

    def _commit(self) -> Commit:
        training, evaluation = self._training.settings(), self._evaluation(self.version).settings()
        configuration = {
            "arm": self.arm,
            "training": {**training.decisive(), "numerics": training.numerics()},
            "evaluation": evaluation.deciding(),
        }
        base = resolve_model(training.vision_tower), resolve_model(training.language_model)
        inputs = {"dataset": self.version.digest}
        key = ShardKey(KIND, inputs, configuration, model_digest(*base), CODE_VERSION)
        return Commit(self.of.store, key)


def _ref(job: Generator[JobEvent, None, JobEvent]) -> ShardRef:
    values = _returned(job).values
    return ShardRef(values["path"], values["digest"], values["records"])


def _returned(job: Generator[object, None, _Returned]) -> _Returned:
    while True:
        try:
            next(job)
        except StopIteration as end:
            returned: _Returned = end.value
            return returned


def _described(store: Store, version: ShardRef) -> tuple[float, float]:
    """Share of true pairs, and mean number of things, of the captions in the world's language."""
    pairs = VersionPairs(VersionLocation(store.uri, version.path, version.digest))
    true, things = [], []
    for number, caption in enumerate(pairs.captions):
        told = things_of(caption)
        if told is None:
            continue
        things.append(told)
        image = pairs[number].image
        if image is not None:
            true.append(bool(judge(np.asarray(image.convert("RGB")), caption).true))
    return sum(true) / max(len(true), 1), sum(things) / max(len(things), 1)
