"""LLaVA-1.5's two stages, from a request to a committed model.

Whatever ends a training, the same command goes on from its last whole checkpoint; once the model is
committed, the same command finds it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthvlm.errors import InvalidInput, OperationCancelled
from synthvlm.jobs.events import JobEvent, State
from synthvlm.model_folders import resolve_model
from synthvlm.storage import ShardKey, Store, open_store, parse_location
from synthvlm.training.card import model_card
from synthvlm.training.checkpoints import Checkpoint, Checkpoints
from synthvlm.training.conversation import TEMPLATES
from synthvlm.training.curve import (
    CURVE_FILE,
    THROUGHPUT_FILE,
    Point,
    curve_parquet,
    points,
    throughput_lines,
)
from synthvlm.training.data import load_mixture, mixture_digest, stage_data, stage_steps
from synthvlm.training.model import (
    Parts,
    assemble,
    load_processor,
    save_folder,
)
from synthvlm.training.processes import Processes, StopSignal
from synthvlm.training.request import TrainingRequest
from synthvlm.training.samples import VersionLocation, VersionPairs
from synthvlm.training.settings import FINETUNE, PRETRAIN, TrainingSettings
from synthvlm.training.trained import (
    TrainedModel,
    commit_model,
    find_model,
    made_now,
    model_key,
)
from synthvlm.training.trainer import (
    Stage,
    StageTrainer,
    load_history,
    load_order,
    load_trained,
)

CARD_FILE = "README.md"

Watch = Callable[[JobEvent], None]
"""Told of progress, in the first process."""


@dataclass(frozen=True)
class Outcome:
    """A trained model, and whether it had been trained before."""

    model: TrainedModel
    found: bool


def train(
    request: TrainingRequest, processes: Processes, stop: StopSignal, watch: Watch
) -> Outcome:
    """Trains the model that a request asks for, or finds it. Called by all processes.

    Args:
        request: The request.
        processes: This process and those beside it.
        stop: Asks for a checkpoint and an end.
        watch: Told of progress.

    Raises:
        InvalidInput: The request or a model folder is invalid.
        NotFound: A folder, file or dataset version does not exist.
        DataCorrupt: What was committed is damaged.
        OperationCancelled: ``stop`` was set; what was done is in a checkpoint.
    """
    training = Training(request, processes, stop, watch)
    found = find_model(training.store, training.key)
    if found is not None:
        return Outcome(found, found=True)
    return Outcome(training.run(), found=False)


class Training:
    """One attempt at one model."""

    def __init__(
        self, request: TrainingRequest, processes: Processes, stop: StopSignal, watch: Watch
    ) -> None:
        self._request = request
        self._settings: TrainingSettings = request.settings()
        self._processes = processes
        self._stop = stop
        self._watch = watch
        self._began = time.monotonic()
        settings = self._settings
        self._parts = Parts(
            resolve_model(settings.vision_tower), resolve_model(settings.language_model)
        )
        self._mixture = load_mixture(settings.mixture)
        dataset = request.dataset
        self._pairs = VersionPairs(VersionLocation(dataset.store, dataset.path, dataset.digest))
        self._stages = [
            Stage(number, name, stage_steps(settings, name, self._pairs))
            for number, name in enumerate((PRETRAIN, FINETUNE))
        ]
        self.store: Store = open_store(parse_location(request.store))
        self.key: ShardKey = model_key(
            settings,
            (self._parts.vision_tower, self._parts.language_model),
            dataset.digest,
            mixture_digest(self._mixture),
        )
        self._checkpoints = Checkpoints(
            self.store, self.key.path.partition("/")[2], settings.checkpoints_kept
        )
        self._processor = load_processor(self._parts, TEMPLATES[settings.finetune.template])

    def run(self) -> TrainedModel:
        """Goes on from the last checkpoint, to the end. Each stage begins with a checkpoint."""
        resumed: int | None = None
        with self._processes.scratch() as folder:
            while True:
                restored = folder / "restored"
                checkpoint = self._checkpoints.restore(restored, self._processes)
                stage, step = self._next(checkpoint)
                if resumed is None:
                    resumed = self._steps_before(stage) + step
                trainer = self._train(
                    stage, step, restored if checkpoint else None, folder, resumed
                )
                if not trainer.is_complete:
                    raise OperationCancelled(
                        f"the training was stopped after {trainer.state.global_step} of "
                        f"{stage.steps} steps of {stage.name}; the same command goes on from there"
                    )
                if stage is self._stages[-1]:
                    return self._commit(trainer, folder)

    def _next(self, checkpoint: Checkpoint | None) -> tuple[Stage, int]:
        """The stage that is next, and how many of its steps are done."""
        if checkpoint is None:
            return self._stages[0], 0
        position = checkpoint.position
        stage = self._stages[position.stage]
        if position.step == stage.steps and stage is not self._stages[-1]:
            return self._stages[position.stage + 1], 0
        return stage, position.step

    def _steps_before(self, stage: Stage) -> int:
        return sum(one.steps for one in self._stages[: stage.number])

    def _train(
        self, stage: Stage, step: int, restored: Path | None, folder: Path, resumed: int
    ) -> StageTrainer:
        """Trains a stage from a step on.

        Args:
            stage: The stage.
            step: Steps of it that are done.
            restored: Folder of the checkpoint that it begins with; None: the very beginning.
            folder: For temporary files.
            resumed: Steps of all stages that earlier attempts have done.
        """
        settings = self._settings
        half = torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32
        model = assemble(
            self._parts,
            self._processor.tokenizer,
            seed=settings.seed,
            attention=settings.attention,
            trains_language_model=stage.name == FINETUNE,
            # FSDP gathers weights of one type only.
            frozen=torch.float32 if settings.sharding == "fsdp2" else half,
        )
        data = stage_data(
            settings,
            stage.name,
            self._pairs,
            self._mixture,
            self._processor,
            model.config.image_seq_length,
        )
        earlier: list[dict[str, Any]] = []
        if restored is not None and step:
            load_order(data.order, restored)
        elif restored is not None:
            load_trained(model, restored)
            earlier = load_history(restored)
        before, total = self._steps_before(stage), sum(one.steps for one in self._stages)
        trainer = StageTrainer(
            model,
            stage,
            data,
            settings,
            self._processes,
            self._checkpoints,
            self._stop,
            folder,
            earlier,
            lambda point: self._watch(
                JobEvent(
                    State.RUNNING,
                    stage.name,
                    before + point.step,
                    total,
                    resumed,
                    point.to_json(),
                )
            ),
        )
        trainer.train(resume_from_checkpoint=str(restored) if step else None)
        return trainer

    def _commit(self, trainer: StageTrainer, folder: Path) -> TrainedModel:
        state = trainer.whole_state()
        if self._processes.is_first:
            settings = self._settings
            out = folder / "model"
            curve = points(trainer.state.log_history)
            dtype = torch.bfloat16 if settings.saved_dtype == "bfloat16" else torch.float32
            model = trainer.accelerator.unwrap_model(trainer.model)
            save_folder(model, self._processor, out, dtype, state)
            details = self._details(curve)
            (out / CURVE_FILE).write_bytes(curve_parquet(curve))
            card = model_card(self._request, settings, self.key, details, curve)
            (out / CARD_FILE).write_text(card, encoding="utf-8")
            provenance = made_now(self._began, self._request.profile)
            beside = {THROUGHPUT_FILE: throughput_lines(curve)}
            commit_model(self.store, self.key, out, details, provenance, beside)
            self._checkpoints.forget()
        self._processes.wait()
        found = find_model(self.store, self.key)
        if found is None:
            raise InvalidInput(f"{self.key.path} in {self.store.uri} was removed meanwhile")
        return found

    def _details(self, curve: list[Point]) -> dict[str, Any]:
        stages = []
        for stage in self._stages:
            own = [point for point in curve if point.stage == stage.name]
            stages.append(
                {
                    "stage": stage.name,
                    "steps": stage.steps,
                    "samples": own[-1].samples,
                    "tokens": sum(point.tokens for point in own),
                    "mismatched": sum(point.mismatched for point in own),
                    "loss": own[-1].loss,
                }
            )
        return {"dataset": self._request.dataset.path, "stages": stages}
