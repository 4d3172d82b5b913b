"""Which profiles have a second opinion."""

import pytest

from synthvlm.profiles import load_profile, profile_names
from synthvlm.review.config import ReviewSettings


@pytest.mark.parametrize("profile", profile_names())
def test_only_the_profile_of_the_scene_world_has_its_oracle_judge(profile: str) -> None:
    section = load_profile(profile).sections.get("review", {})
    engine = ReviewSettings.model_validate(section).second_opinion.engine
    assert (engine == "oracle") == (profile == "mini")
