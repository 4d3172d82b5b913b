"""What a user asks for, as the requests of the stages: the same for every way to run them."""

from pathlib import Path
from typing import Any

from synthvlm.alignment.v1.alignment_pb2 import ScoreShardRequest
from synthvlm.caption.v1.caption_pb2 import CurateShardRequest, ImportCaptionsRequest
from synthvlm.cli import inputs
from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.run.options import DEFAULT_FRACTION, LastStage
from synthvlm.dataset.v1.dataset_pb2 import AssembleRequest, SelectRequest
from synthvlm.generation.v1.generation_pb2 import GenerateShardRequest
from synthvlm.profiles import load_profile
from synthvlm_pipelines.requests import StageRequests


def stage_requests(
    files: ImportCaptionsRequest,
    *,
    name: str,
    profile: str,
    recipe: str,
    shard_size: int,
    repeat: int,
    seed: int,
    top_k: int | None,
    top_fraction: float | None,
    within: str | None,
    until: LastStage,
) -> StageRequests:
    """The requests of a run, without what the services add.

    Args:
        files: What to import.
        name: The dataset's name.
        profile: As ``inputs.profile_reference`` gives it.
        recipe: As ``inputs.recipe_text`` gives it.
        shard_size: Captions per shard.
        repeat: Images per caption.
        seed: Seed of the run.
        top_k: How many captions to keep; None: by a fraction.
        top_fraction: Which fraction to keep; None: the default one, unless ``top_k`` is given.
        within: The groups of which each keeps the same share.
        until: The last stage.

    Raises:
        WrongUsageError: A value is not valid, or the profile has no section for a stage.
    """
    files.shard_size = inputs.in_range("--shard-size", shard_size, 1, 100_000)
    requests = StageRequests(
        import_captions=files,
        curate=CurateShardRequest(recipe_yaml=recipe),
        generate=GenerateShardRequest(
            repeats=inputs.in_range("--repeat", repeat, 1, 100),
            run_seed=inputs.in_range("--seed", seed, 0),
        ),
        score=ScoreShardRequest(),
        select=SelectRequest(
            rule=inputs.selection_rule(top_k, top_fraction, DEFAULT_FRACTION, within)
        ),
        assemble=AssembleRequest(name=inputs.dataset_name(name)),
    )
    if until in (LastStage.TRAIN, LastStage.EVALUATE):
        training = _section(profile, "training")
        requests.train.update(profile=profile, training=training)
    if until is LastStage.EVALUATE:
        evaluation = _section(profile, "evaluation")
        requests.evaluate.update(profile=profile, evaluation=evaluation, name=name)
    return requests


def _section(profile: str, name: str) -> dict[str, Any]:
    """A section of the profile: its content, as a cache that sees only a name would miss changes.

    Raises:
        WrongUsageError: The profile has no such section.
    """
    section = load_profile(profile).section(name)
    if not section:
        raise WrongUsageError(
            f"the profile {Path(profile).stem} has no section {name}; choose another --profile, or "
            f"end --until assemble"
        )
    return section
