"""The plan of a run, made before any file is read."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synthvlm import __version__
from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.service import SERVICE
from synthvlm.caption.v1.caption_pb2 import CurateShardRequest, ImportCaptionsRequest
from synthvlm.cli.inputs import profile_recipe, recipe_text
from synthvlm.cli.run.plan import complete, configuration_of, plan_run, profile_digest
from synthvlm.dataset.v1.dataset_pb2 import SelectionRule, SelectRequest
from synthvlm.errors import InvalidInput
from synthvlm.generation.v1 import generation_pb2
from synthvlm.local.services import Running, Services
from synthvlm.serving.testing import serving
from synthvlm_pipelines.requests import StageRequests

GENERATOR = generation_pb2.GetModelResponse(
    model_digest="sha256:g",
    parameters=generation_pb2.SamplingParameters(steps=6, guidance_scale=1.1, width=64, height=64),
    numerics={"threads": "2", "dtype": "float32"},
)
SCORER = alignment_pb2.GetModelResponse(
    model_digest="sha256:a",
    parameters=alignment_pb2.ScoreParameters(clip_weight=0.5, vlm_size=32),
)


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with serving(SERVICE, CaptionSettings()) as server:
        yield Services("mini", {"caption": Running(server.address, 0)})


@pytest.mark.parametrize("recipe", ["process: 3", "process: [{perplexity_filter: {}}]"])
async def test_a_wrong_recipe_is_found_first(
    services: Services, tmp_path: Path, recipe: str
) -> None:
    wanted = StageRequests(
        import_captions=ImportCaptionsRequest(files=["/captions.txt"]),
        curate=CurateShardRequest(recipe_yaml=recipe),
    )
    with pytest.raises(InvalidInput, match="the recipe"):
        await asyncio.to_thread(plan_run, wanted, services, "mini", tmp_path.as_uri())


def test_unset_parameters_take_the_profiles_values() -> None:
    wanted = StageRequests(
        generate=generation_pb2.GenerateShardRequest(
            parameters=generation_pb2.SamplingParameters(steps=9)
        ),
        score=alignment_pb2.ScoreShardRequest(
            parameters=alignment_pb2.ScoreParameters(clip_weight=0.0)
        ),
    )
    requests = complete(wanted, GENERATOR, SCORER, "file:///store")
    sampling, scoring = requests.generate.parameters, requests.score.parameters
    assert (sampling.steps, sampling.width, sampling.height) == (9, 64, 64)
    assert (scoring.clip_weight, scoring.vlm_size) == (0.0, 32)
    assert wanted.generate.parameters.width == 0, "the user's request is not changed"


def test_every_stage_has_the_store_and_digests_are_arguments_that_the_cache_sees() -> None:
    wanted = StageRequests(train={"profile": "mini"}, evaluate={"profile": "mini"})
    arguments = complete(wanted, GENERATOR, SCORER, "file:///store").arguments()
    requests = {name: json.loads(text) for name, text in arguments.items()}
    for job in ("train_request", "evaluate_request"):
        assert requests.pop(job) == {"profile": "mini", "store": "file:///store"}
    assert all(request["store"] == {"uri": "file:///store"} for request in requests.values())
    assert requests["generate_request"]["model_digest"] == "sha256:g"
    assert requests["score_request"]["model_digest"] == "sha256:a"


@pytest.mark.parametrize(
    ("rule", "selection"),
    [
        (SelectionRule(top_k=200), '{"top_k": 200}'),
        (SelectionRule(top_fraction=0.4), '{"top_fraction": 0.4}'),
        (SelectionRule(top_fraction=1), '{"top_fraction": 1.0}'),
        (
            SelectionRule(top_k=2, strata={"column": "words", "quantiles": 4}),
            '{"strata": {"column": "words", "quantiles": 4}, "top_k": 2}',
        ),
        (
            SelectionRule(top_k=2, strata={"clusters": 16}),
            '{"strata": {"clusters": 16}, "top_k": 2}',
        ),
    ],
)
def test_the_configuration_keeps_its_text(rule: SelectionRule, selection: str) -> None:
    """It is part of the versions' digests: a change gives the same content another identity."""
    wanted = StageRequests(
        import_captions=ImportCaptionsRequest(column="text", shard_size=25),
        curate=CurateShardRequest(recipe_yaml="paper-rules"),
        generate=generation_pb2.GenerateShardRequest(repeats=2, run_seed=2**63 - 1),
        select=SelectRequest(rule=rule),
    )
    requests = complete(wanted, GENERATOR, SCORER, "file:///store")
    configuration = configuration_of(requests, "mini", GENERATOR.numerics)
    assert json.dumps(configuration, sort_keys=True) == (
        '{"alignment": {"model_digest": "sha256:a", '
        '"parameters": {"clip_weight": 0.5, "vlm_size": 32}}, '
        f'"code_version": "{__version__}", '
        '"curation": {"recipe": "paper-rules"}, '
        '"generation": {"model_digest": "sha256:g", '
        '"numerics": {"dtype": "float32", "threads": "2"}, '
        '"parameters": {"guidance_scale": 1.1, "height": 64, "steps": 6, "width": 64}, '
        '"repeats": 2, "seed": 9223372036854775807}, '
        '"import": {"shard_size": 25}, '
        f'"profile": "mini", "selection": {selection}}}'
    )


def test_a_run_names_the_recipe_of_its_profile(tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("process: [{text_length_filter: {min_len: 3}}]")
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"caption: {{recipe: {recipe}}}")
    assert recipe_text(profile_recipe(str(profile))) == recipe.read_text()
    profile.write_text("{}")
    assert profile_recipe(str(profile)) == profile_recipe("mini") == "paper-rules"
    assert recipe_text("paper-rules") == "paper-rules"


def test_a_profile_is_known_by_what_it_says(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    mine.write_text("generation: {steps: 6, seed_day: 2026-01-01}\ncaption: {}\n")
    other.write_text("# a copy\ncaption: {}\ngeneration:\n  seed_day: 2026-01-01\n  steps: 6\n")
    assert profile_digest(str(mine)) == profile_digest(str(other))
    other.write_text("generation: {steps: 9}")
    assert profile_digest(str(mine)) != profile_digest(str(other))
    shipped = ("mini", "single-gpu", "single-gpu-tensorrt")
    assert len({profile_digest(name) for name in shipped}) == len(shipped)


def test_how_models_are_trained_does_not_decide_a_version() -> None:
    assert profile_digest("7b") == profile_digest("13b") == profile_digest("single-gpu")
