"""What an earlier run has left, for a run that begins there."""

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthvlm.errors import InvalidInput, NotFound, PreconditionFailed
from synthvlm.report.outcome import OUTCOME_FILE, Outcome, PoolShard
from synthvlm_pipelines.records import RunFolder

MAX_ARMS = 20
"""Arms of an ablation: each is four steps, and a server takes a few dozen a run."""


class Arm(BaseModel):
    """One selection, or recipe of training, of an ablation.

    Attributes:
        name: Its name.
        select_request: The SelectRequest, without the shards.
        assemble_request: The AssembleRequest, without the Selection.
        train_request: The TrainingRequest, without the dataset.
        evaluate_request: The EvaluationRequest, without the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    select_request: dict[str, object]
    assemble_request: dict[str, object]
    train_request: dict[str, object]
    evaluate_request: dict[str, object]


def pool_of(store_uri: str, from_run: str, with_scores: bool = False) -> list[PoolShard]:
    """The pool of an earlier run.

    Args:
        store_uri: The object store of both runs.
        from_run: The earlier run's name.
        with_scores: Whether its images must have scores.

    Raises:
        NotFound: There is no such run in the store, or it has not ended.
        PreconditionFailed: It failed, or made no such pool.
    """
    folder = RunFolder(store_uri, from_run)
    try:
        content = folder.store.read(f"{folder.path}/{OUTCOME_FILE}")
    except NotFound as error:
        raise NotFound(
            f"no run {from_run} has ended in {store_uri}; give the run_name of one that made images"
        ) from error
    outcome = Outcome.model_validate_json(content)
    if outcome.state != "succeeded":
        raise PreconditionFailed(f"the run {from_run} failed; go on with it first")
    if not outcome.pool or (with_scores and any(one.score_set is None for one in outcome.pool)):
        what = "scored images" if with_scores else "images"
        raise PreconditionFailed(f"the run {from_run} made no pool of {what}")
    return outcome.pool


def pool_items(pool: Sequence[PoolShard]) -> list[str]:
    """The items of a loop over a pool: each holds its shards and its number."""
    return [
        json.dumps(
            {"shard": number, "shards": len(pool), **one.model_dump(mode="json")}, sort_keys=True
        )
        for number, one in enumerate(pool)
    ]


def arm_items(arms: Sequence[str]) -> list[dict[str, str]]:
    """The items of a loop over arms: an ``item`` that numbers it, and its requests as JSON.

    Args:
        arms: Each arm (``Arm``) as JSON; the others are compared with the first.

    Raises:
        InvalidInput: One is not an arm, two have one name, or there are too few or too many.
    """
    if not 2 <= len(arms) <= MAX_ARMS:
        raise InvalidInput(f"an ablation has 2 to {MAX_ARMS} arms, not {len(arms)}")
    try:
        parsed = [Arm.model_validate_json(arm) for arm in arms]
    except ValidationError as error:
        raise InvalidInput(f"this is not an arm: {error}") from error
    if len({arm.name for arm in parsed}) < len(parsed):
        raise InvalidInput("two arms have the same name")
    return [
        {
            "item": json.dumps({"shard": number, "shards": len(parsed), "arm": arm.name}),
            **{
                name: json.dumps(request, sort_keys=True, ensure_ascii=False)
                for name, request in arm.model_dump(exclude={"name"}).items()
            },
        }
        for number, arm in enumerate(parsed)
    ]
