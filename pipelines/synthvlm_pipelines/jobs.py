"""The jobs of a run, training and evaluation, on the machine of the step."""

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from synthvlm.errors import InvalidInput
from synthvlm.evaluation.comparison import compare, record_of
from synthvlm.evaluation.request import EvaluationRequest
from synthvlm.jobs.events import JobEvent, State
from synthvlm.jobs.launch import evaluation_command, run_job, training_command
from synthvlm.storage import ShardRef, open_shard, open_store, parse_location
from synthvlm.training.request import TrainingRequest

R = TypeVar("R", bound=BaseModel)

Watch = Callable[[JobEvent], None]


def train(request: str, version: str, watch: Watch) -> dict[str, Any]:
    """Trains on a dataset version.

    Args:
        request: The TrainingRequest as JSON, without the dataset.
        version: The VersionSummary as JSON.
        watch: Gets what the training tells of.

    Returns:
        The model's shard: ``store``, ``path``, ``digest`` and ``records``, and whether it was
        ``found``.

    Raises:
        InvalidInput: This is not such a request.
        OperationCancelled: The training was told to end.
        JobFailed: It ended without a model.
    """
    summary = json.loads(version)
    dataset = {"store": summary["store_uri"]} | {key: summary[key] for key in ("path", "digest")}
    wanted = _request(TrainingRequest, request, dataset=dataset)
    command = training_command(wanted.settings().processes)
    return {"store": wanted.store} | _watched(run_job("training", command, wanted), watch)


def evaluate(request: str, model: str, watch: Watch) -> dict[str, Any]:
    """Evaluates a model.

    Args:
        request: The EvaluationRequest as JSON, without the model.
        model: The model's shard, as ``train`` gives it, as JSON.
        watch: Gets what the evaluation tells of.

    Returns:
        The evaluation's shard: ``store``, ``path``, ``digest`` and ``records``.

    Raises:
        InvalidInput: This is not such a request.
        JobFailed: It ended without a result.
    """
    shard = json.loads(model)
    place = {key: shard[key] for key in ("path", "digest")}
    wanted = _request(EvaluationRequest, request, model=place)
    command = evaluation_command()
    return {"store": wanted.store} | _watched(run_job("evaluation", command, wanted), watch)


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
        if event.state is State.RUNNING:
            watch(event)
