"""What a run is to do, settled before any file is read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.service import SERVICE
from synthvlm.cli.inputs import RunRequest, profile_recipe, recipe_text
from synthvlm.cli.run.plan import plan_run
from synthvlm.errors import InvalidInput
from synthvlm.local.services import Running, Services
from synthvlm.serving.testing import serving


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with serving(SERVICE, CaptionSettings()) as server:
        yield Services("mini", {"caption": Running(server.address, 0)})


def request(recipe: str) -> RunRequest:
    return RunRequest(["/captions.txt"], "x", "", recipe, 1, 0, {"top_k": 1}, 10)


@pytest.mark.parametrize("recipe", ["process: 3", "process: [{perplexity_filter: {}}]"])
async def test_a_wrong_recipe_is_found_first(
    services: Services, tmp_path: Path, recipe: str
) -> None:
    with pytest.raises(InvalidInput, match="the recipe"):
        await asyncio.to_thread(plan_run, request(recipe), services, "mini", tmp_path)


def test_a_run_names_the_recipe_of_its_profile(tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("process: [{text_length_filter: {min_len: 3}}]")
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"caption: {{recipe: {recipe}}}")
    assert recipe_text(profile_recipe(str(profile))) == recipe.read_text()
    profile.write_text("{}")
    assert profile_recipe(str(profile)) == profile_recipe("mini") == "paper-rules"
    assert recipe_text("paper-rules") == "paper-rules"
