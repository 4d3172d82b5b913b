"""The jobs of a run, training and evaluation: in the step, or by Kubeflow Trainer."""

import json
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from synthvlm.cluster.trainer_job import RUN_LABEL, TrainerJob, label_value
from synthvlm.cluster.trainer_settings import JobShape, TrainerSettings, trainer_settings
from synthvlm.errors import DomainError, InvalidInput
from synthvlm.evaluation.comparison import compare, record_of
from synthvlm.evaluation.request import EvaluationRequest
from synthvlm.jobs.events import JobEvent, State
from synthvlm.jobs.launch import evaluation_command, run_job, training_command
from synthvlm.storage import ShardRef, open_shard, open_store, parse_location
from synthvlm.training.request import TrainingRequest
from synthvlm.training.settings import FINETUNE, PRETRAIN

R = TypeVar("R", bound=BaseModel)

Watch = Callable[[JobEvent], None]

TRAINING = ("python3", "-m", "torch.distributed.run", "-m", "synthvlm.training")
"""The program of a training's pods; Trainer tells it about processes and addresses."""

EVALUATION = ("python3", "-m", "synthvlm.evaluation")
"""The program of an evaluation's pod."""


def train(request: str, version: str, watch: Watch, run: str) -> dict[str, Any]:
    """Trains on a dataset version, where the settings of Trainer say.

    Args:
        request: The TrainingRequest as JSON, without the dataset.
        version: The VersionSummary as JSON.
        watch: Gets what the training tells of.
        run: Name of the run, by which its jobs on a cluster are found.

    Returns:
        The model's shard: ``store``, ``path``, ``digest`` and ``records``, and whether it was
        ``found``.

    Raises:
        InvalidInput: This is not such a request.
        OperationCancelled: The training was told to end.
        JobFailed: It ended without a model.
        DomainError: The cluster refuses the job, or could not be reached for too long.
    """
    summary = json.loads(version)
    dataset = {"store": summary["store_uri"]} | {key: summary[key] for key in ("path", "digest")}
    wanted = _request(TrainingRequest, request, dataset=dataset)
    settings = wanted.settings()
    trainer = trainer_settings()
    if trainer is None or trainer.training is None:
        command = training_command(settings.processes)
        values = _watched(run_job("training", command, wanted), watch)
    else:
        shape = trainer.training
        if shape.nodes is not None and shape.processes_per_node is not None:
            for stage in (PRETRAIN, FINETUNE):  # rather than by pods that have waited for GPUs
                settings.accumulation(stage, shape.nodes * shape.processes_per_node)
        values = _on_cluster("training", TRAINING, wanted, shape, trainer, run, watch)
    return {"store": wanted.store} | values


def evaluate(request: str, model: str, watch: Watch, run: str) -> dict[str, Any]:
    """Evaluates a model, where the settings of Trainer say.

    Args:
        request: The EvaluationRequest as JSON, without the model.
        model: The model's shard, as ``train`` gives it, as JSON.
        watch: Gets what the evaluation tells of.
        run: Name of the run, by which its jobs on a cluster are found.

    Returns:
        The evaluation's shard: ``store``, ``path``, ``digest`` and ``records``.

    Raises:
        InvalidInput: This is not such a request.
        OperationCancelled: The evaluation was told to end.
        JobFailed: It ended without a result.
        DomainError: The cluster refuses the job, or could not be reached for too long.
    """
    shard = json.loads(model)
    place = {key: shard[key] for key in ("path", "digest")}
    wanted = _request(EvaluationRequest, request, model=place)
    trainer = trainer_settings()
    if trainer is None or trainer.evaluation is None:
        values = _watched(run_job("evaluation", evaluation_command(), wanted), watch)
    else:
        one = {"nodes": 1, "processes_per_node": 1}  # however many the runtime has
        shape = trainer.evaluation.model_copy(update=one)
        values = _on_cluster("evaluation", EVALUATION, wanted, shape, trainer, run, watch)
    return {"store": wanted.store} | values


def end_jobs(run: str) -> None:
    """Deletes what the run has left at Trainer, so that no pod works for nobody.

    A cluster that refuses does not change how the run ended: the log says what is to be deleted.

    Args:
        run: Name of the run.
    """
    try:
        trainer = trainer_settings()
        if trainer is None:
            return
        from synthvlm.cluster.train_job import delete_run

        for name in delete_run(trainer, run):
            _log(f"the {trainer.kind} {name} was deleted")
    except Exception as error:  # the run's report is written, and what it tells stays true
        kind = "" if isinstance(error, DomainError) else f"{type(error).__name__}: "
        _log(
            f"the run's jobs could not be deleted: {kind}{error}; delete those with the label "
            f"{RUN_LABEL}={label_value(run)}"
        )


def _on_cluster(
    work: str,
    command: Sequence[str],
    wanted: BaseModel,
    shape: JobShape,
    trainer: TrainerSettings,
    run: str,
    watch: Watch,
) -> dict[str, Any]:
    from synthvlm.cluster.train_job import cancelled_by_sigterm, run_train_job

    job = TrainerJob(
        work=work,
        run=run,
        command=tuple(command),
        request=wanted.model_dump(mode="json"),
        shape=shape,
        settings=trainer,
    )
    with cancelled_by_sigterm():
        return _watched(run_train_job(job, _log), watch)


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def compare_evaluations(store_uri: str, evaluated: Sequence[str]) -> dict[str, Any]:
    """Compares evaluations with the first of them.

    Args:
        store_uri: Holds them, and gets the comparisons.
        evaluated: Their shards as JSON, as ``evaluate`` gives them.

    Returns:
        ``headlines`` of each, and ``comparisons``, the shards of those after the first.

    Raises:
        InvalidInput: Two have answered other questions.
    """
    store = open_store(parse_location(store_uri))
    shards = [json.loads(text) for text in evaluated]
    refs = [ShardRef(one["path"], one["digest"], int(one["records"])) for one in shards]
    return {
        "headlines": [record_of(open_shard(store, ref)).headlines() for ref in refs],
        "comparisons": [asdict(compare(store, refs[0], ref)[0]) for ref in refs[1:]],
    }


def _request(kind: type[R], text: str, **outputs: Any) -> R:
    try:
        return kind.model_validate({**json.loads(text), **outputs})
    except (ValidationError, TypeError, ValueError) as error:
        raise InvalidInput(f"the request of the stage is wrong: {error}") from error


def _watched(job: Generator[JobEvent, None, JobEvent], watch: Watch) -> dict[str, Any]:
    while True:
        try:
            event = next(job)
        except StopIteration as end:
            last: JobEvent = end.value
            return last.values
        if event.state in (State.WAITING, State.RUNNING):
            watch(event)
