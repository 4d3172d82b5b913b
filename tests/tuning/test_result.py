"""What a search leaves behind: profile, page and numbers."""

import json

import yaml

from synthvlm.generation.config import GenerationSettings
from synthvlm.profiles import load_profile
from synthvlm.report.model import SCORES
from synthvlm.serving.settings_sources import load_settings
from synthvlm.tuning.comparison import compare
from synthvlm.tuning.grid import Cell
from synthvlm.tuning.page import render_page
from synthvlm.tuning.result import Result
from synthvlm.tuning.write import write_result
from tests.report.test_report import Page
from tests.tuning.cells import FAST, SLOW, measured


def result(**changes):
    runs = [
        measured(Cell(steps=9, guidance_scale=2.5), 0.25),
        measured(Cell(steps=20, guidance_scale=2.5), 0.2501, seconds=None),
        measured(Cell(steps=2, guidance_scale=2.5), 0.1),
    ]
    given = {
        "profile": "mini",
        "sections": load_profile("mini").sections,
        "metric": "clip_score",
        "seed": 7,
        "digests": {"captions": f"sha256:{'1' * 64}"},
        "comparison": compare(runs),
        "seconds": 12.0,
    }
    return Result(**{**given, **changes})


def test_the_chosen_profile_is_the_profile_with_the_chosen_parameters(tmp_path):
    files = write_result(result(), tmp_path)
    file = files.profile
    assert {path.name for path in tmp_path.iterdir()} == {"profile.yaml", "tune.html", "tune.json"}
    tuned, own = (
        load_settings(GenerationSettings, "generation", command_line={"profile": profile})
        for profile in (str(file), "mini")
    )
    assert (tuned.steps, tuned.guidance_scale) == (9, 2.5)
    changed = {"steps", "guidance_scale", "profile"}
    assert tuned.model_dump(exclude=changed) == own.model_dump(exclude=changed)
    sections = yaml.safe_load(file.read_text())
    assert {word for word in sections if word != "generation"} == {
        *("caption", "alignment", "review", "training", "evaluation")
    }
    assert load_profile("mini").section("generation")["steps"] != 9


def test_the_numbers_are_valid_json_and_name_the_choice():
    content = json.loads(json.dumps(result().to_json(), allow_nan=False))
    assert content["chosen"] == {"steps": 9, "guidance_scale": 2.5}
    assert [one["chosen"] for one in content["cells"]].count(True) == 1
    assert content["cells"][0]["behind"] == 0


def test_the_page_shows_every_cell_and_needs_nothing_else():
    page = Page(render_page(result(profile='"><script>alert(1)</script>')))
    assert page.all("script") == []
    assert not {"src", "href"} & {name for _, attrs in page.elements for name in attrs}
    groups = page.all("g")
    assert [group["class"] for group in groups].count("cell chosen") == 1
    assert len(groups) == 3
    text = " ".join(page.text)
    assert SCORES["clip_score"] in text
    assert "steps=9 guidance_scale=2.5" in text


def test_one_caption_makes_a_page_too():
    single = compare([measured(FAST, 0.2, captions=1), measured(SLOW, 0.2, captions=1)])
    assert "steps=8" in render_page(result(comparison=single))
