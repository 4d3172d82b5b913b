"""transformers' ``Trainer`` for one stage: what it learns, what it writes down, where it saves.

The loop, mixed precision, accumulation, sharding, and the state of optimizer and scheduler are the
library's. Here are the places where it would lose something: its checkpoints are written in place,
so that one that was cut off counts as the last one; it saves frozen weights again and again; and
after SIGTERM its processes stop at different steps.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from synthvlm.training.checkpoints import Checkpoints, Position
from synthvlm.training.collate import Collator, Statistics, pop_statistics
from synthvlm.training.curve import Point
from synthvlm.training.model import trained_parameters
from synthvlm.training.processes import Processes, StopSignal
from synthvlm.training.sampler import GlobalOrder
from synthvlm.training.samples import WORKER_START, EncodedSamples
from synthvlm.training.settings import TrainingSettings

ORDER_FILE = "order.json"
"""The position in the order of samples within a checkpoint."""

TRAINED_FILE = "trained.safetensors"
"""The trained weights within a checkpoint; frozen ones are where they came from."""

_ENOUGH_TO_JUDGE = 1000
"""Samples after which the share of those without a fitting mask is judged in mid-stage."""


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Attributes:
        number: From 0.
        name: ``pretrain`` or ``finetune``.
        steps: Steps of it.
    """

    number: int
    name: str
    steps: int


@dataclass(frozen=True)
class StageData:
    """What a stage learns from.

    Attributes:
        dataset: Samples by index.
        order: Their order, from the position that the stage begins or goes on at.
        collate: Makes a batch of samples.
    """

    dataset: EncodedSamples
    order: GlobalOrder
    collate: Collator


class RankBatches(Sampler[list[int]]):
    """The micro-batches of one process: of each global batch, every n-th sample.

    Args:
        order: The order of all samples.
        micro_batch: Samples of a micro-batch.
        rank: Number of the process.
        processes: How many there are.
    """

    def __init__(self, order: GlobalOrder, micro_batch: int, rank: int, processes: int) -> None:
        self._order = order
        self._micro_batch = micro_batch
        self._rank = rank
        self._processes = processes

    def __len__(self) -> int:
        """Micro-batches of the whole stage, wherever it goes on."""
        return self._order.end // (self._micro_batch * self._processes)

    def __iter__(self) -> Iterator[list[int]]:
        own = islice(self._order, self._rank, None, self._processes)
        while batch := list(islice(own, self._micro_batch)):
            yield batch


class StageTrainer(Trainer):
    """Trains one stage.

    Args:
        model: With gradients for what the stage trains.
        stage: The stage.
        data: What it learns from.
        settings: Hyper-parameters.
        processes: Those that train together.
        checkpoints: Where to commit.
        stop: Ends the training after the step under way, once it is committed.
        folder: For temporary files; the same for all processes of a machine.
        earlier: The history of the stages before.
        watch: Told of each point of the loss curve, in the first process.
    """

    def __init__(
        self,
        model: Any,
        stage: Stage,
        data: StageData,
        settings: TrainingSettings,
        processes: Processes,
        checkpoints: Checkpoints,
        stop: StopSignal,
        folder: Path,
        earlier: Sequence[dict[str, Any]],
        watch: Callable[[Point], None],
    ) -> None:
        super().__init__(
            model=model,
            args=training_arguments(stage, settings, processes, folder),
            train_dataset=data.dataset,
            data_collator=data.collate,
            callbacks=[_Flow(processes, stop, data.order, earlier)],
        )
        self.remove_callback(PrinterCallback)
        self._stage = stage
        self._data = data
        self._settings = settings
        self._processes = processes
        self._checkpoints = checkpoints
        self._watch = watch
        self._statistics = Statistics()  # of this process since the last point
        self._seen = Statistics()  # of all processes in this attempt
        self._clock = time.monotonic()

    @property
    def is_complete(self) -> bool:
        """Whether the stage has done all of its steps."""
        return bool(self.state.global_step >= self._stage.steps)

    def whole_state(self) -> dict[str, torch.Tensor]:
        """All weights, also where each process holds a part of them. Called by all processes."""
        state: dict[str, torch.Tensor] = self.accelerator.get_state_dict(self.model_wrapped)
        return state

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Micro-batches of this process; accelerate is not asked to divide them once more."""
        workers = self._settings.workers
        micro_batch = self._settings.stage(self._stage.name).micro_batch
        return DataLoader(
            self._data.dataset,
            batch_sampler=RankBatches(
                self._data.order, micro_batch, self._processes.rank, self._processes.count
            ),
            collate_fn=self._data.collate,
            num_workers=workers,
            multiprocessing_context=WORKER_START if workers else None,
            persistent_workers=workers > 0,
            pin_memory=self._settings.device == "cuda",
        )

    def get_batch_samples(self, *args: Any, **options: Any) -> tuple[list[Any], Any]:
        """As the library's; takes note of the counts of what is learnt from."""
        batches, items = super().get_batch_samples(*args, **options)
        for batch in batches:
            self._statistics.add(pop_statistics(batch))
        return batches, items

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Makes a point of the curve of the losses that the library reports."""
        if "loss" not in logs:
            return
        now = time.monotonic()
        own = self._statistics.to_tensor().to(self.args.device)
        counts = Statistics.from_tensor(self.accelerator.gather(own[None]).sum(0))
        self._statistics = Statistics()
        self._seen.add(counts)
        if self.is_complete or self._seen.counts["samples"] >= _ENOUGH_TO_JUDGE:
            self._seen.require_few_mismatches(self._settings.max_mismatched)
        last = self.state.log_history[-1] if self.state.log_history else {}
        before = last["step"] if last.get("stage") == self._stage.name else 0
        step, size = self.state.global_step, self._settings.stage(self._stage.name).global_batch
        point = Point(
            stage=self._stage.name,
            step=step,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            grad_norm=logs["grad_norm"],
            samples=step * size,
            tokens=counts.counts["tokens"],
            mismatched=sum(counts.mismatched.values()),
            padding=counts.padding,
            samples_per_second=(step - before) * size / max(now - self._clock, 1e-9),
            processes=self._processes.count,
        )
        self._clock = now
        super().log(point.to_json(), start_time)
        if self._processes.is_first:
            self._watch(point)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Writes to a temporary folder, and from there commits to the store."""
        super()._save_checkpoint(model, trial)
        step = self.state.global_step
        folder = Path(self.args.output_dir) / f"checkpoint-{step}"
        if self.is_fsdp_enabled and self.is_complete:
            # What the next stage begins with, in one piece.
            self._save(str(folder), self.whole_state())
        if self._processes.is_first:
            state = json.dumps(self._data.order.state_dict())
            (folder / ORDER_FILE).write_text(state, encoding="utf-8")
        self._processes.wait()
        self._checkpoints.commit(Position(self._stage.number, step), folder, self._processes)
        if self._processes.is_first_here:
            shutil.rmtree(folder)
        self._processes.wait()
        self._clock = time.monotonic()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Writes the trained weights alone."""
        if not self.args.should_save or output_dir is None:
            return
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        trained = trained_parameters(self.model)
        given = trained if state_dict is None else state_dict
        state = {name: given[name].detach().contiguous() for name in trained}
        save_file(state, Path(output_dir) / TRAINED_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Reads them."""
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_trained(self.model, Path(resume_from_checkpoint))


class _Flow(TrainerCallback):
    """Carries the curve from stage to stage, and stops all processes at the same step."""

    def __init__(
        self,
        processes: Processes,
        stop: StopSignal,
        order: GlobalOrder,
        earlier: Sequence[dict[str, Any]],
    ) -> None:
        self._processes = processes
        self._stop = stop
        self._order = order
        self._earlier = earlier

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_more: Any) -> None:
        if state.global_step == 0:
            state.log_history.extend(self._earlier)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_more: Any) -> None:
        self._order.advance(self._order.global_batch)
        if self._processes.any(self._stop.is_set) and state.global_step < state.max_steps:
            control.should_log = True
            control.should_save = True
            control.should_training_stop = True


def load_trained(model: nn.Module, folder: Path) -> None:
    """Reads the trained weights of a checkpoint's folder into a model, as many as there are."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, values in load_file(folder / TRAINED_FILE).items():
            parameters[name].copy_(values)


def load_history(folder: Path) -> list[dict[str, Any]]:
    """The loss curve in a checkpoint's folder, as transformers keeps it."""
    return list(TrainerState.load_from_json(str(folder / TRAINER_STATE_NAME)).log_history)


def load_order(order: GlobalOrder, folder: Path) -> None:
    """Moves an order to the position in a checkpoint's folder.

    Raises:
        InvalidInput: It is a position in another order.
    """
    order.load_state_dict(json.loads((folder / ORDER_FILE).read_text(encoding="utf-8")))


def training_arguments(
    stage: Stage, settings: TrainingSettings, processes: Processes, folder: Path
) -> TrainingArguments:
    """The settings of a stage in the library's terms.

    Raises:
        InvalidInput: The global batch cannot be divided among the processes.
    """
    own = settings.stage(stage.name)
    sharded: dict[str, Any] = {}
    if settings.sharding == "fsdp2":
        sharded = {
            "fsdp": True,
            "fsdp_config": {
                "version": 2,
                # The tower and the projector stay with the root: not every batch has images.
                "transformer_layer_cls_to_wrap": ["LlamaDecoderLayer"],
                "state_dict_type": "SHARDED_STATE_DICT",
                "activation_checkpointing": settings.gradient_checkpointing,
            },
        }
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=stage.steps,
        per_device_train_batch_size=own.micro_batch,
        gradient_accumulation_steps=settings.accumulation(stage.name, processes.count),
        learning_rate=own.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=own.warmup_ratio,
        weight_decay=own.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=settings.dtype == "bfloat16",
        use_cpu=settings.device == "cpu",
        seed=settings.seed,
        logging_steps=settings.log_every,
        save_steps=settings.checkpoint_every,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        # The order of samples begins where it has to.
        ignore_data_skip=True,
        # The library's own count of losses that are not numbers would hide them.
        logging_nan_inf_filter=False,
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        activation_checkpointing=settings.gradient_checkpointing and not sharded,
        use_liger_kernel=settings.uses_liger(has_gpu=settings.device == "cuda"),
        **sharded,
    )
